"A search box over an index of documents."
import html, math

import ipywidgets as ipw
import regex

from ft_course.core import CourseError
from ft_course.rag import NOT_FOUND, confidence
from ft_course.retrieval.folder import folder_index
from ft_course.retrieval.index import DocumentIndex
from ft_course.retrieval.ranking import HOW, WORD, Hit, query_words
from ft_course.widgets.accessibility import Status, named

WIDE = {"style": {"description_width": "90px"}, "layout": {"width": "98%", "max_width": "640px"}}


def highlighted(
    passage: str,
    query: str,
) -> str:
    "HTML of the passage, the query's words marked."
    asked, = query_words([query])
    return "".join(f"<mark>{html.escape(piece)}</mark>" if any(word in asked for word in query_words([piece])[0])
                   else html.escape(piece) for piece in regex.split(f"({WORD.pattern})", passage))


class SearchPanel(ipw.VBox):
    "A search box with how to search, how many hits, and the threshold beside it; `said` is what it shows, as text."
    def __init__(
        self,
        source,           # a `DocumentIndex`, or a folder of text files
        query: str = "",  # what stands in the box at first
        k: int = 3,
    ):
        self.index = source if isinstance(source, DocumentIndex) else folder_index(source)
        self.shown = Status()
        self.box = ipw.Text(value=query, description="question", placeholder="ask, and press Enter",
                            continuous_update=False, **WIDE)
        self.how = ipw.Dropdown(options=HOW, value="hybrid", description="how", **WIDE)
        self.hits = ipw.IntSlider(value=k, min=1, max=10, description="hits", **WIDE)
        self.threshold = ipw.FloatSlider(value=0, min=0, max=1, step=.01, description="threshold", **WIDE)
        controls = [self.box, self.how, self.hits, self.threshold]
        super().__init__([*controls, self.shown, named()])
        for control in controls: control.observe(self.show, "value")
        self.show()

    @property
    def said(self) -> str: return self.shown.said

    def __repr__(self): return self.said

    def search(self, text: str) -> "SearchPanel":
        "Asks this, as if it had been typed."
        self.box.value = text
        return self

    def show(self, *_):
        "Searches, and shows what was found."
        if not self.box.value.strip(): return self.shown.say(f"{self.index!r}: nothing asked yet.", "Nothing asked yet.")
        try: found = self.index.search(self.box.value, self.hits.value, self.how.value)
        except (CourseError, ValueError) as err: return self.shown.say(str(err))
        below = self.how.value != "lexical" and confidence(found) < self.threshold.value
        lines = [f"{NOT_FOUND}: nothing reaches {self.threshold.value:.2f}"] if below else []
        if not found:
            lines = ["no passage shares a word with it" if self.index.documents else "the index is empty"]
        said = [*lines, *map(self._line, found)]
        heads = [f"<p><strong>{html.escape(line)}</strong></p>" for line in lines]
        self.shown.say("\n".join(said), "".join([*heads, *map(self._paragraph, found)]))

    def _line(self, hit: Hit) -> str:
        near = "" if math.isnan(hit.dense) else f", cosine {hit.dense:.2f}"
        return f"{hit.where}{near}" + ("" if math.isnan(hit.lexical) else f", BM25 {hit.lexical:.1f}")

    def _paragraph(self, hit: Hit) -> str:
        grey = "opacity:.5;" if not math.isnan(hit.dense) and hit.dense < self.threshold.value else ""
        return (f"<p style='{grey}margin:.5em 0'><strong>{html.escape(self._line(hit))}</strong><br>"
                f"{highlighted(hit.passage, self.box.value)}</p>")


search_panel = SearchPanel
