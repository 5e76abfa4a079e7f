"Pictures that take the page's text colour, for light and dark."
import html
import io
import re

INK, GREY, BLUE, RED, GREEN = "#010203", "#8a8a8a", "#0072B2", "#D55E00", "#009E73"


def axes(
    width: float,   # inches
    height: float,
):                  # the figure and its axes
    "Empty axes whose ink takes the page's text colour in `inline_svg`."
    from matplotlib.figure import Figure
    figure = Figure(figsize=(width, height), layout="constrained")
    ax = figure.subplots()
    ax.spines[["top", "right"]].set_visible(False)
    for spine in ax.spines.values(): spine.set_edgecolor(INK)
    ax.tick_params(colors=INK, labelsize=8)
    for label in (ax.xaxis.label, ax.yaxis.label, ax.title):   # "from $5 to $9" is no formula
        label.set(color=INK, fontsize=9, parse_math=False)
    ax.patch.set_alpha(0)
    return figure, ax


def named_line(ax, x, y, colour, name="", offset=(6, 0), **style):
    "A line with its name at its end; nothing where there are no points."
    if not len(x): return
    ax.plot(x, y, color=colour, **style)
    ax.annotate(name, (x[-1], y[-1]), offset, textcoords="offset points", va="center", fontsize=8, color=INK)


def inline_svg(
    figure,
    alt: str,   # what it shows, in a sentence
) -> str:
    "The figure as SVG for a page, transparent, with the page's own text colour."
    from matplotlib import rc_context
    drawn = io.StringIO()
    with rc_context({"svg.hashsalt": "ft_course"}):   # the same picture has the same names inside each time
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg"):].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    about = f'role="img" aria-label="{html.escape(alt)}" style="max-width:100%;height:auto"'
    return svg.replace("<svg", f"<svg {about}", 1)
