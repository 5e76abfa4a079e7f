"Pages about the course and the learner: what a chapter takes, how far you are, what is open."
import textwrap

from ft_course.classroom.progress import recall
from ft_course.classroom.quizzes import quiz_names, quiz_question
from ft_course.classroom.solutions import exercise_names
from ft_course.core.contents import chapter as chapter_of
from ft_course.core.contents import contents, hours
from ft_course.core.display import Page, Sentence, link, marked_up, table_page


def computing_time(
    chapter: str,  # "06"
) -> Sentence:
    "'About 5 minutes of computing on a free machine.': measured once, on two free cores."
    minutes = chapter_of(chapter).minutes
    return Sentence(f"About {f'{minutes:g} minutes' if minutes > 1 else 'a minute'} of computing on a free machine.")


def time_needed(
    chapter: str,  # "06"
) -> Sentence:
    "What a chapter takes: hours of reading, hours of exercises, minutes of computing."
    found = chapter_of(chapter)
    def said(value): return f"{hours(value)} hour{'s' if value > 1 else ''}"
    computing = computing_time(chapter).removeprefix("About ")
    return Sentence(f"About {said(found.reading)} of reading, {said(found.exercises)} of exercises and {computing}")


def _of(chapter: str, names: list[str]) -> list[str]: return [n for n in names if n.startswith(f"{chapter}.")]

def _count(value, what: str) -> str:
    "'2 hints'; an empty string for 0, and for what someone wrote there by hand."
    if isinstance(value, bool) or not isinstance(value, int) or value < 1: return ""
    return f"{value} {what}{'s' if value > 1 else ''}"

def quiz_state(
    entry: dict,  # of the learner's file
) -> str:
    "How a quiz question stands, in words."
    if not entry: return "open"
    return "right" if entry.get("right") is True else "answered, not right yet"

def exercise_state(
    entry: dict,  # of the learner's file
) -> str:
    "How an exercise stands, in words."
    tried, helped = _count(entry.get("attempts"), "time"), _count(entry.get("hints"), "hint")
    if entry.get("solved") is not True: return f"tried {tried}" if tried else "open"
    seen = "solution seen" if entry.get("solution_seen") is True else ""
    return ", ".join(word for word in ("solved", helped, seen) if word)


def chapter_page(
    chapter: str,   # "06"
) -> Page:
    "What of a chapter's quiz and exercises is done, as a table."
    quizzes, exercises = recall("quizzes"), recall("exercises")
    def asked(name):
        question = textwrap.shorten(quiz_question(name)["question"], 80, placeholder=" …")
        return Page(question, marked_up(question))
    rows = [["quiz", asked(n), quiz_state(quizzes.get(n, {}))] for n in _of(chapter, quiz_names())]
    rows += [["exercise", n, exercise_state(exercises.get(n, {}))] for n in _of(chapter, exercise_names())]
    return table_page(f"{chapter} {chapter_of(chapter).title}", ["", "question", "state"], rows)


def progress_page() -> Page:
    "How far you are, chapter by chapter; a star marks the core path."
    guesses, quizzes, exercises = recall("guesses"), recall("quizzes"), recall("exercises")
    rows = []
    for c in contents():
        asked, given = _of(c.number, quiz_names()), _of(c.number, exercise_names())
        right = sum(quizzes.get(n, {}).get("right") is True for n in asked)
        solved = sum(exercises.get(n, {}).get("solved") is True for n in given)
        rows.append([c.number + "*"*c.core, link(c.title, c.file), c.question, len(_of(c.number, list(guesses))),
                     f"{right} of {len(asked)}", f"{solved} of {len(given)}"])
    return table_page("Your progress", ["", "chapter", "its question", "guesses", "quiz questions right",
                                        "exercises solved"], rows)
