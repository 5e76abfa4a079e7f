"Sentences whose numbers are computed, pages of text and tables, and figures with alternative text."
import html
import re


class Sentence(str):
    "A string that notebooks show as text."
    def _repr_markdown_(self): return str(self)
    def __repr__(self): return str(self)


def say(
    template: str,  # a sentence with fields, as for `str.format`
    **values,       # what goes into them
) -> Sentence:
    "The sentence with its values filled in."
    return Sentence(template.format(**values))


def claim(
    holds: bool,    # the condition the sentence stands on
    template: str,  # the sentence, with fields
    **values,
) -> Sentence:
    "The sentence, if it holds; otherwise an `AssertionError` that says which claim failed."
    if not holds: raise AssertionError(f"this claim does not hold: {say(template, **values)}")
    return say(template, **values)


class Page(str):
    "HTML that notebooks show; as a string it is plain text."
    def __new__(cls, text: str, markup: str):
        page = super().__new__(cls, text)
        page.markup = markup
        return page
    def _repr_html_(self): return self.markup
    def __repr__(self): return str(self)


def link(
    text: str,
    address: str,  # of another notebook, relative to this one, say
) -> Page:
    "A link; as plain text, the text alone."
    return Page(text, f'<a href="{html.escape(address)}">{html.escape(text)}</a>')


def table_page(
    title: str,        # or a page, such as a `link`
    columns: list[str],
    rows: list[list],  # of texts, numbers, or pages such as a `link`
) -> Page:
    "A table as HTML and as plain text."
    lines = [[str(c) for c in line] for line in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = "\n".join([title, *("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines)])
    def markup(c): return c.markup if isinstance(c, Page) else html.escape(str(c))
    def cell(c, tag, more=""): return f'<{tag} style="text-align:left"{more}>{markup(c)}</{tag}>'
    head = "".join(cell(c, "th", ' scope="col"') for c in columns)
    body = "".join(f"<tr>{''.join(cell(c, 'td') for c in line)}</tr>" for line in rows)
    return Page(text, f"<table><caption style='text-align:left'>{markup(title)}</caption>"
                      f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def marked_up(
    text: str,
) -> str:
    "HTML of a text in which `code` stands between backticks and *stress* between stars."
    pieces = re.split(r"`([^`]+)`", html.escape(text, quote=False))   # every second one is code
    stressed = [re.sub(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])", r"<em>\1</em>", piece) for piece in pieces[::2]]
    code = [f"<code>{piece}</code>" for piece in pieces[1::2]] + [""]
    return "".join(a + b for a, b in zip(stressed, code))


def alternative_text(
    figure,  # of matplotlib
) -> str:
    "What is written in the figure: titles, labels of the axes, names of bars and lines, remarks."
    said = []
    for ax in figure.axes:
        axes = " over ".join(filter(None, (ax.get_ylabel(), ax.get_xlabel())))
        legend = ax.get_legend().get_texts() if ax.get_legend() else []
        names = [t for t in (*ax.get_xticklabels(), *ax.get_yticklabels()) if re.search("[^\\W\\d]", t.get_text())]
        inside = dict.fromkeys(t.get_text() for t in (*names, *ax.texts, *legend) if t.get_text())
        parts = filter(None, (ax.get_title(), axes, ", ".join(inside)))
        said.append(": ".join(" ".join(part.split()) for part in parts))
    return "Figure. " + "; ".join(filter(None, said))


def _figure_html(figure) -> str:
    "The figure as an HTML image with its alternative text."
    from IPython.core.pylabtools import print_figure
    said, png = html.escape(alternative_text(figure)), print_figure(figure, base64=True)
    return f'<img alt="{said}" src="data:image/png;base64,{png}">'


def figures():
    "Sets how figures look from here on; in a notebook, each is shown with its alternative text."
    import matplotlib.pyplot as plt
    from IPython import get_ipython
    from matplotlib.figure import Figure
    plt.rcParams.update({"figure.dpi": 110, "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    if (shell := get_ipython()) is None: return
    plt.switch_backend(plt.get_backend())   # a backend that starts later would put its own formatters in place
    formatters = shell.display_formatter.formatters
    formatters["text/html"].for_type(Figure, _figure_html)
    formatters["image/png"].pop(Figure, None)
