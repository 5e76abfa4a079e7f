"Public names that are imported when they are first asked for."
import importlib
import sys


def lazy_names(
    module: str,            # `__name__` of the module that offers them
    names: dict[str, str],  # name -> the module that has it
):
    "`__getattr__` and `__dir__` for a module that offers `names` and loads nothing before one is asked for."
    def getattribute(name: str):
        if name not in names: raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(importlib.import_module(names[name]), name)
    return getattribute, lambda: sorted({*vars(sys.modules[module]), *names})
