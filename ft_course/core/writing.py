"Text that is shown while it is being written."
import html


def writing_view():
    "A function that shows below the cell the text it is called with, as characters and not as HTML."
    import ipywidgets
    from IPython.display import display
    box = ipywidgets.HTML()
    display(box)
    def show(text: str): box.value = f"<pre style='white-space:pre-wrap'>{html.escape(text)}</pre>"
    show.box = box
    return show
