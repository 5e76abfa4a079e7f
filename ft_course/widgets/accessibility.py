"Names for sliders and radios, keys that stay inside, a line where no kernel listens, lines that are spoken, choices that wrap."
import html

import ipywidgets as ipw

_NAMES = """
function name(root) {
  for (const handle of root.querySelectorAll('.noUi-handle')) {
    const box = handle.closest('.jupyter-widgets');
    const said = box?.querySelector('.widget-label');
    const label = said?.title && said.title !== 'null' ? said.title : said?.textContent;
    const value = box?.querySelector('.widget-readout')?.textContent;
    const tell = (what, text) => {
      if (text && handle.getAttribute(what) !== text) handle.setAttribute(what, text);
    };
    tell('aria-label', label);
    tell('aria-valuetext', value);
  }
  for (const box of root.querySelectorAll('.widget-radio-box')) {   // a group for the keyboard and for screen readers
    const group = box.querySelector('input[name]')?.name || 'ft-' + Math.random().toString(36).slice(2);
    for (const radio of box.querySelectorAll('input')) radio.name = group;
  }
}
function rest(box) {   // no kernel listens: nothing can be clicked or typed that would be lost
  const asleep = box?.classList.contains('jupyter-widgets-disconnected');
  for (const child of box?.children ?? []) child.inert = asleep;
}
function keep(event) {   // a letter or an arrow is for the widget: for the notebook "dd" deletes the cell
  const ours = !event.ctrlKey && !event.metaKey && !event.altKey && !['Enter', 'Escape', 'Tab'].includes(event.key);
  if (ours && event.target.closest('.jupyter-widgets')) event.stopPropagation();
}
export default { render({ el }) {
  let watch = null, root = null, box = null, keys = null;
  const begin = () => {
    root = el.closest('.jp-OutputArea, .widget-vbox')?.parentElement ?? document.body;
    box = el.closest('.widget-vbox');
    keys = el.closest('.jp-Notebook') ?? root;   // the buttons of a check too
    const look = () => { name(root); rest(box); };
    look();
    keys.addEventListener('keydown', keep);
    watch = new MutationObserver(look);
    watch.observe(root, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['class'] });
  };
  const timer = setTimeout(begin, 50);
  return () => {   // also where the kernel was restarted
    clearTimeout(timer); watch?.disconnect(); keys?.removeEventListener('keydown', keep);
    setTimeout(() => rest(box), 50);
  };
} };
"""

_STYLE = """<style>
.widget-vbox.jupyter-widgets-disconnected:not(.jupyter-widgets-disconnected *)::after {
  content: "Asleep, so a click would be lost: run this cell to wake it."; font-weight: bold; padding: .4em 0; order: -1}
.widget-vbox.jupyter-widgets-disconnected:not(.jupyter-widgets-disconnected *) > * {opacity: .6; pointer-events: none}
.jupyter-widgets-disconnected::before {display: none}
.jupyter-widgets .widget-html-content {line-height: 1.5; min-width: 0}
.jupyter-widgets .widget-html-content :is(th, td) {padding: .1em .8em .1em 0}
[data-jp-theme-light="false"] .widget-dropdown > select {background-image: none; appearance: auto; color-scheme: dark}
</style>"""   # JupyterLab sets the class where the kernel was restarted, and where the widget came back from the file

def named() -> ipw.DOMWidget:
    """An invisible widget that names the sliders around it (aria-label, aria-valuetext), makes groups of radios, keeps what
    is typed there from the notebook, and lets the page say which widgets have no kernel behind them."""
    import anywidget
    return ipw.Box([anywidget.AnyWidget(_esm=_NAMES), ipw.HTML(_STYLE)], layout={"display": "none"})


class Status(ipw.HTML):
    "A line that a screen reader speaks when it changes; `said` is its text."
    said = ""

    def say(
        self,
        text: str,
        markup: str = None,   # the HTML that stands for it; by default the text as it is
    ):
        "Shows the text."
        self.said = text
        self.value = f"<div role='status'>{html.escape(text) if markup is None else markup}</div>"


class Panel:
    "What has a `view`, the widget that a notebook shows for it."
    def _repr_mimebundle_(self, **kwargs): return self.view._repr_mimebundle_(**kwargs) | {"text/plain": repr(self)}


FULL = "calc(100% - 4px)"   # all of a box, less the margins
WRAP = """<style>
.ft-choices label {display: flex; flex-direction: row-reverse; justify-content: flex-end; gap: .4em;
  align-items: flex-start; white-space: normal; height: auto; line-height: 1.4}
.ft-choices label input {flex: none; margin: .2em 0 0; height: 1em}
.ft-choices .widget-radio-box {height: auto}
</style>"""


def radio_buttons(options) -> ipw.RadioButtons:
    "Buttons of which none is chosen; long options wrap where the style `WRAP` is on the page."
    buttons = ipw.RadioButtons(options=options, value=None, layout={"width": "auto"})
    buttons.add_class("ft-choices")
    return buttons
