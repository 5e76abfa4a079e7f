"""Receipts: what a notebook was run with, so that only what has changed since is run again"""

import ast
import functools
import hashlib
import os
import platform
import re
from pathlib import Path

KEY = "ft_course"   # where a notebook's metadata keep its receipt
ERROR = re.compile(r"(Error|Exception|Warning|Exit|Interrupt)$")

def _digest(text: str) -> str: return hashlib.sha256(text.encode()).hexdigest()[:12]

def _called(node: ast.Call) -> str:
    "The last part of the name that is called: `b` of `a.b()`."
    return getattr(node.func, "id", None) or getattr(node.func, "attr", "")

def _exceptions(tree: ast.Module) -> set[str]:
    "Names of the classes that the code raises, or derives from an exception."
    raised = {_called(n.exc) for n in ast.walk(tree) if isinstance(n, ast.Raise) and isinstance(n.exc, ast.Call)}
    derived = {n.name for n in ast.walk(tree)
               if isinstance(n, ast.ClassDef) and any(ERROR.search(ast.unparse(b)) for b in n.bases)}
    return {name for name in raised if name[:1].isupper()} | derived

def _is_text(node) -> bool:
    "Is this statement only a string: a docstring, or one that stands for a comment?"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)

def _shape(node, exceptions: set[str], in_error: bool = False) -> str:
    "A syntax tree as text, the same in every Python version, without docstrings, comments and texts of errors."
    inside = lambda n: _shape(n, exceptions, in_error)
    if isinstance(node, list): return "[" + ",".join(inside(n) for n in node if not _is_text(n)) + "]"
    if not isinstance(node, ast.AST): return repr(node)
    if isinstance(node, ast.Raise): in_error = True
    if isinstance(node, ast.Call) and (ERROR.search(_called(node)) or _called(node) in exceptions): in_error = True
    if in_error and (isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)): return "text"
    fields = [(k, v) for k, v in ast.iter_fields(node) if v is not None and v != [] and k != "kind"]
    return f"{type(node).__name__}({','.join(f'{k}={inside(v)}' for k, v in fields)})"

@functools.cache
def code_digest(
    source: str,  # Python
) -> str:
    "A digest of what the code does: rewording a docstring, a comment or an error leaves it as it is."
    tree = ast.parse(source)
    return _digest(_shape(tree, _exceptions(tree)))

@functools.cache
def imported(
    source: str,        # Python
    package: str = "",  # the package it belongs to, which relative imports start from
) -> frozenset:
    "Pairs (module, name) of what the code imports from `ft_course`, anywhere in it; the name is empty for a whole module."
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import): found |= {(a.name, "") for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[:len(package.split(".")) + 1 - node.level] if node.level else []
            found |= {(".".join([*base, *([node.module] if node.module else [])]), a.name) for a in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ft_course":
            found.add(("ft_course", node.attr))
    return frozenset((m, n) for m, n in found if m.split(".")[0] == "ft_course" and (m, n) != ("ft_course", ""))

class Code:
    "The course's code in a clone: its modules, and which of them a piece of code uses."
    def __init__(self,
        root: Path,  # the clone
    ):
        self.files = {".".join(p.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): p
                      for p in sorted((root/"ft_course").rglob("*.py")) if p.name != "_modidx.py"}
        self.sources = {name: p.read_text(encoding="utf-8") for name, p in self.files.items()}
        self.lazy = {name: self._lazy(name) for name, p in self.files.items() if p.name == "__init__.py"}
        self.sources.pop("ft_course", None)   # it only says where names are
        pins = (root/"constraints.txt").read_text(encoding="utf-8").splitlines()
        self.pins = _digest("\n".join(sorted(line for line in pins if line.strip() and not line.startswith("#"))))

    def _lazy(self, package: str) -> dict[str, str]:
        "Name -> module of what the package loads when it is asked for: the dict in its call of `lazy_names`."
        calls = (n for n in ast.walk(ast.parse(self.sources[package])) if isinstance(n, ast.Call) and _called(n) == "lazy_names")
        return {name: f"{package}.{module}" for call in calls
                for module, names in ast.literal_eval(call.args[1]).items() for name in names.split()}

    def _modules(self, module: str, name: str) -> set[str]:
        "The modules that one import loads; all of them where that cannot be told."
        parents = lambda module: {".".join(parts[:n]) for parts in [module.split(".")] for n in range(2, len(parts) + 1)}
        if f"{module}.{name}" in self.sources: found = parents(f"{module}.{name}")
        elif name in self.lazy.get(module, ()): found = parents(module) | parents(self.lazy[module][name])
        elif module == "ft_course": found = () if name.startswith("__") else self.sources
        else: found = parents(module)
        return set(found) & set(self.sources)

    def uses(self,
        source: str,  # Python
        package: str = "",
    ) -> set[str]:
        "Names of the course's modules that the code imports, and of those that these import."
        found, todo = set(), set().union(*(self._modules(*each) for each in imported(source, package)))
        while todo:
            found.add(module := todo.pop())
            inner = module if self.files[module].name == "__init__.py" else module.rpartition(".")[0]
            todo |= set().union(*(self._modules(*each) for each in imported(self.sources[module], inner))) - found
        return found

    def used_by(self,
        notebook: dict,
    ) -> set[str]:
        "Names of the modules that the notebook's cells use, the checks of its exercises among them."
        found = set()
        for cell in notebook["cells"]:
            if cell["cell_type"] != "code": continue
            source = re.sub(r"^\s*[%!].*$", "", "".join(cell["source"]), flags=re.M)
            try: found |= self.uses(source)
            except SyntaxError: return set(self.sources)
            for chapter in re.findall(r"\bcheck\([\"'](\d\d)\.", source):
                found |= self.uses(f"import ft_course.classroom.checks.ch{chapter}")
        return found

    def receipt(self,
        notebook: dict,
    ) -> dict:
        "Digests of the notebook's cells, of the modules it uses and of the pins."
        cells = "\n".join(f"{cell['cell_type']}\n{''.join(cell['source'])}" for cell in notebook["cells"])
        return {"cells": _digest(cells), "pins": self.pins,
                "modules": {name: code_digest(self.sources[name]) for name in sorted(self.used_by(notebook))}}

    def stale(self,
        notebook: dict,
    ) -> str:
        "What has changed since the notebook left its receipt, in words; empty when it is fresh."
        old, now = notebook["metadata"].get(KEY), self.receipt(notebook)
        if not old: return "never run with a receipt"
        changed = [f"module {name} changed" for name in sorted({*old["modules"], *now["modules"]})
                   if old["modules"].get(name) != now["modules"].get(name)]
        if changed[3:]: changed[2:] = [f"{len(changed) - 2} more modules changed"]
        return "; ".join([*(["cells changed"] if old["cells"] != now["cells"] else []), *changed,
                          *(["pins changed"] if old["pins"] != now["pins"] else [])])

def with_time(
    receipt: dict,
    seconds: float,  # that the run took
    old: dict,       # the receipt that was there, or {}
) -> dict:
    "The receipt with seconds and machine; they stay as they were while a run takes about as long (within 20 %)."
    if old and abs(seconds - old["seconds"]) <= .2*old["seconds"]:
        return receipt | {k: old[k] for k in ("seconds", "machine")}
    return receipt | {"seconds": round(seconds),
                      "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"}
