"Public names that are imported when they are first asked for."
import importlib
import sys


def lazy_names(
    package: str,             # `__name__` of the package that offers them
    modules: dict[str, str],  # module of the package -> the names it has
):
    "`__all__`, `__getattr__` and `__dir__` of a package that offers the names and loads nothing before one is asked for."
    homes = {name: f"{package}.{module}" for module, names in modules.items() for name in names.split()}
    def getattribute(name: str):
        if name not in homes: raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)
    return list(homes), getattribute, lambda: sorted({*vars(sys.modules[package]), *homes})
