"Errors, paths, whole files, seeds, progress, computed sentences: what everything else stands on; the standard library only."
from ft_course.core.display import Sentence, alternative_text, claim, figures, say
from ft_course.core.errors import CourseError, did_you_mean, disk_error, look_up
from ft_course.core.files import atomic_path, locked, one_writer, write_json
from ft_course.core.memory import free_memory
from ft_course.core.paths import cache_dir, scratch
from ft_course.core.progress import Meter, progress
from ft_course.core.seeds import one_at_a_time, seeded

__all__ = ["CourseError", "Meter", "Sentence", "alternative_text", "atomic_path", "cache_dir", "claim",
           "did_you_mean", "disk_error", "figures", "free_memory", "locked", "look_up", "one_at_a_time", "one_writer",
           "progress", "say", "scratch", "seeded", "write_json"]
