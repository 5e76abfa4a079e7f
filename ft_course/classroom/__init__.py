"Exercises, quizzes, progress, notebooks: the classroom around the chapters. Its names are loaded when they are asked for."
from ft_course.core.lazy import lazy_names

_HOME = {name: f"ft_course.classroom.{module}" for module, names in {
    "checking": "check hint solution",
    "quizzes": "quiz_names quiz_question",
    "progress": "keep recall learner_folder",
    "pages": "chapter_page computing_time progress_page time_needed",
}.items() for name in names.split()}

__all__ = list(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
