"Pages about the course and the learner: what a chapter takes, how far you are, what is open."
import textwrap

from ft_course.classroom.progress import done, recall
from ft_course.classroom.quizzes import quiz_question
from ft_course.classroom.texts import exercise_title
from ft_course.core.contents import chapter as chapter_of
from ft_course.core.contents import contents, hours
from ft_course.core.display import Page, Sentence, link, marked_up, table_page


def time_needed(
    chapter: str,  # "06"
) -> Sentence:
    "What a chapter takes: hours of reading, hours of exercises, minutes of computing, measured once on two free cores."
    found = chapter_of(chapter)
    def said(value): return f"{hours(value)} hour{'s' if value > 1 else ''}"
    minutes = f"{found.minutes:g} minutes" if found.minutes > 1 else "a minute"
    return Sentence(f"About {said(found.reading)} of reading, {said(found.exercises)} of exercises and "
                    f"{minutes} of computing on a free machine.")


def _quiz_state(entry: dict) -> str:
    if not entry: return "open"
    return "right" if entry.get("right") else "answered, not right yet"

def _exercise_state(entry: dict) -> str:
    def count(key, what): return f"{entry[key]} {what}{'s' if entry[key] > 1 else ''}" if entry.get(key) else ""
    if not entry.get("solved"): return f"tried {count('attempts', 'time')}" if entry.get("attempts") else "open"
    return ", ".join(filter(None, ("solved", count("hints", "hint"), "solution seen"*bool(entry.get("solution_seen")))))


def chapter_page(
    chapter: str,   # "06"
) -> Page:
    "What of a chapter's quiz and exercises is done, as a table."
    quizzes, exercises = recall("quizzes"), recall("exercises")
    def asked(name):
        question = textwrap.shorten(quiz_question(name)["question"], 80, placeholder=" …")
        return Page(question, marked_up(question))
    rows = [["quiz", asked(n), _quiz_state(quizzes.get(n, {}))] for n in done("quizzes", chapter)]
    rows += [["exercise", exercise_title(n), _exercise_state(exercises.get(n, {}))] for n in done("exercises", chapter)]
    found = chapter_of(chapter)
    return table_page(link(f"{chapter} {found.title}", found.file), ["", "question", "state"], rows)


def progress_page() -> Page:
    "How far you are, chapter by chapter; a star marks the core path."
    rows = []
    for c in contents():
        right, solved = ([*done(kind, c.number).values()] for kind in ("quizzes", "exercises"))
        guessed = sum(n.startswith(f"{c.number}.") for n in recall("guesses"))
        number = c.number + "*"*c.core
        chapter = Page(f"{number} {c.title}: {c.question}", f"{number} {link(c.title, c.file).markup}<br>{marked_up(c.question)}")
        rows.append([chapter, guessed, f"{sum(right)} of {len(right)}", f"{sum(solved)} of {len(solved)}"])
    return table_page("Your progress", ["chapter and its question", "guesses", "quiz right", "exercises solved"], rows)
