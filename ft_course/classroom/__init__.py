"Exercises, quizzes, progress, notebooks: the classroom around the chapters. Its names are loaded when they are asked for."
from ft_course.core.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(__name__, {
    "checking": "check hint solution",
    "quizzes": "quiz_names quiz_question",
    "progress": "keep recall learner_folder",
    "pages": "chapter_page progress_page time_needed",
})
