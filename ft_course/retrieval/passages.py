"Sentences, and passages of whole sentences."
import re
from collections.abc import Iterable
from dataclasses import dataclass

ABBREVIATIONS = ("Mr Mrs Ms Dr Prof Sir St Jr Sr Rev Gen Lt Col Sgt Capt Sen Gov Rep No vs v Inc Ltd Corp Co "
                 "Bros Mt Ft etc approx Jan Feb Aug Sept Oct Nov Dec").split()
ABBREVIATED = re.compile(rf"(?:\b(?:{'|'.join(ABBREVIATIONS)})|\b[A-Z])\.$")   # the full stop that ends no sentence
BREAK = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[£$]*[A-Z0-9])|\n+")


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, as stripped strings; a line break always ends one.
    Always the same for the same text."""
    found, start = [], 0
    for cut in BREAK.finditer(text):
        last = text[max(start, cut.start() - 12):cut.start()] + cut.group().strip()
        if "\n" not in cut.group() and ABBREVIATED.search(last): continue
        if piece := text[start:cut.end()].strip(): found.append(piece)
        start = cut.end()
    if text[start:].strip(): found.append(text[start:].strip())
    return found


@dataclass(frozen=True, slots=True)
class Passage:
    "Whole sentences of a document: their text, and that they are the sentences `start` to `stop - 1`."
    text: str
    start: int
    stop: int


def chunk(
    text: str,
    size: int = 100,   # words in a passage; a longer sentence is a passage of its own
    overlap: int = 1,  # sentences that a passage shares with the one before
) -> list[Passage]:
    "The text as passages of whole sentences. Raises `ValueError` for a `size` below 1 or an `overlap` below 0."
    if size < 1 or overlap < 0:
        raise ValueError(f"chunk(size={size}, overlap={overlap}): size has to be at least 1, overlap 0")
    pieces, found, start = sentences(text), [], 0
    lengths = [len(piece.split()) for piece in pieces]
    while start < len(pieces):
        stop, words = start + 1, lengths[start]
        while stop < len(pieces) and words + lengths[stop] <= size:
            words, stop = words + lengths[stop], stop + 1
        found.append(Passage(" ".join(pieces[start:stop]), start, stop))
        if stop == len(pieces): break
        start = max(start + 1, stop - overlap)
    return found


def joined(passages: list[Passage]) -> str:
    "The document that was cut into these passages, sentences that two of them share taken once."
    pieces, stop = [], 0
    for p in passages:
        said = sentences(p.text)
        pieces += said[max(0, stop - p.start):] if len(said) == p.stop - p.start else said
        stop = p.stop
    return " ".join(pieces)


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
