"Sentences, and passages of whole sentences."
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import regex

from ft_course.evaluation import NO_SPACES


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, as stripped strings; a line break always ends one.
    Always the same for the same text."""
    import sentencex
    return [said for line in text.splitlines() for piece in sentencex.segment("en", line) if (said := piece.strip())]


# a word: a character where none are parted by spaces, else what stands between spaces, forty characters at most
WORD = regex.compile(rf"{NO_SPACES}\p{{M}}*|(?:(?!{NO_SPACES})\S){{1,40}}")


@dataclass(frozen=True, slots=True)
class Passage:
    """Whole sentences of a document, one a line: their text, and that they are the sentences `start` to `stop - 1`.
    Of a sentence too long for a passage, a part."""
    text: str
    start: int
    stop: int


def chunk(
    text: str,
    size: int = 100,   # words in a passage
    overlap: int = 1,  # sentences that a passage shares with the one before, where there is room
    shares=None,       # a function texts -> what share of an encoder's input each takes; a passage takes 1 at most
) -> list[Passage]:
    """The text as passages of whole sentences; a sentence that is too long for one is cut between words.
    Raises `ValueError` for a `size` below 1 or an `overlap` below 0."""
    if size < 1 or overlap < 0:
        raise ValueError(f"chunk(size={size}, overlap={overlap}): size has to be at least 1, overlap 0")
    def lengths(texts):
        words = [len(WORD.findall(text)) for text in texts]
        return np.stack([words, shares(texts) if shares else np.zeros(len(texts))], axis=1)
    def fits(lengths): return int((lengths.cumsum(0) <= (size, 1)).all(1).sum())   # how many, from the first on
    def ranges(lengths, overlap):
        start = stop = 0
        while stop < len(lengths):
            while start < stop and fits(lengths[start:stop + 1]) <= stop - start: start += 1   # so that one comes in
            stop = start + max(1, fits(lengths[start:start + size]))
            yield start, stop
            start = max(0, stop - overlap)
    pieces, found = sentences(text), []
    whole = lengths(pieces)
    for start, stop in ranges(whole, overlap):
        if fits(whole[start:stop]): found.append(Passage("\n".join(pieces[start:stop]), start, stop))
        else:
            cuts = [*(word.start() for word in WORD.finditer(pieces[start])), None]
            parts = lengths([pieces[start][a:b] for a, b in zip(cuts, cuts[1:])])
            found += [Passage(pieces[start][cuts[a]:cuts[b]], start, stop) for a, b in ranges(parts, 0)]
    return found


def joined(passages: list[Passage]) -> str:
    "The document that was cut into these passages, its sentences one a line; those that two of them share stand there once."
    pieces, stop = [], 0
    for p in passages:
        said = p.text.split("\n")
        if p.stop == stop: pieces[-1] += p.text   # a further part of one sentence
        else: pieces += said[stop - p.start:] if len(said) == p.stop - p.start else said
        stop = p.stop
    return "\n".join(pieces)


def check_documents(documents) -> dict[str, str]:
    "The documents. Raises `ValueError` for what is no dict, identifier -> text, and for one without text."
    if not isinstance(documents, dict):
        raise ValueError(f"documents come as a dict, identifier -> text, not as {type(documents).__name__}")
    for name, text in documents.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"a document's identifier has to be a text that is not empty, not {name!r}")
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"the document {name!r} holds no text; leave it out")
        try: (name + text).encode()
        except UnicodeEncodeError:
            raise ValueError(f"the document {ascii(name)} or its identifier has half a character in it (a lone "
                             "surrogate); read it again as UTF-8") from None
    return documents


def check_names(documents) -> list[str]:
    "The identifiers as a list. Raises `ValueError` for what is neither one nor several."
    if isinstance(documents, str): return [documents]
    if not isinstance(documents, Iterable):
        raise ValueError(f"documents={documents!r}: it has to be an identifier, or several")
    return list(documents)
