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
