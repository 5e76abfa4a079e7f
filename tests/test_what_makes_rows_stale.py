"What a change of the code does to stored rows, on edited copies: words and names nothing, behaviour a probe that fails."
import ast
import json
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow
CODE = """if True:
    import json, sys
    from ft_course.results import stored, table_names
    from tools.probes import check_probe, kinds
    wanted = json.loads(sys.argv[1])
    stale = {n: stored(n).stale for n in table_names()} if wanted["stale"] else {}
    keys = wanted["kinds"] or list(kinds())
    found = {k: check_probe(k) for k in keys}
    print(json.dumps({"stale": {n: s for n, s in stale.items() if s}, "changed": {k: f[:3] for k, f in found.items() if f},
                      "tables": {k: kinds()[k]["tables"] for k in keys}}))"""


def of_copy(folder, stale=False, kinds=()):
    "What the copy says of its stored rows and probes."
    run = subprocess.run([sys.executable, "-c", CODE, json.dumps({"stale": stale, "kinds": kinds})], cwd=folder,
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture
def copy(tmp_path):
    for folder in ("ft_course", "tools"):
        shutil.copytree(ROOT/folder, tmp_path/folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


class Reword(ast.NodeTransformer):
    "Another docstring everywhere, and other words in every error."
    def _documented(self, node):
        self.generic_visit(node)
        if ast.get_docstring(node, clean=False) is not None: node.body[0] = ast.Expr(ast.Constant("Said otherwise."))
        return node
    visit_Module = visit_ClassDef = visit_FunctionDef = _documented

    def visit_Raise(self, node):
        for inside in ast.walk(node):
            if isinstance(inside, ast.Constant) and isinstance(inside.value, str): inside.value += " (said otherwise)"
        return node


def test_words_and_private_names_leave_rows_fresh_and_probes_equal(copy):
    for file in (copy/"ft_course").rglob("*.py"):
        if file.name == "_modidx.py": continue
        file.write_text(ast.unparse(Reword().visit(ast.parse(file.read_text(encoding="utf-8")))), encoding="utf-8")
    for file in (copy/"ft_course"/"widgets").glob("*.py"):
        file.write_text(file.read_text(encoding="utf-8").replace("aria-label", "aria-labelled"), encoding="utf-8")
    for name in ("training", "embeddings", "prompting"):
        file = copy/"ft_course"/f"{name}.py"
        text = file.read_text(encoding="utf-8")
        private = {n.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef) and re.fullmatch(r"_[a-z]\w*", n.name)}
        assert len(private) > 2, name
        for old in private: text = re.sub(rf"(?<!\w){old}\b", f"{old}_renamed", text)
        file.write_text(text, encoding="utf-8")
    found = of_copy(copy, stale=True)
    assert found["stale"] == {} and found["changed"] == {} and len(found["tables"]) > 15


TUNED, FROZEN = "FineTunedClassifier, minilm, Full(head_rate=1.0), head from probe", "EmbeddingClassifier, minilm, logistic, mean"


@pytest.mark.parametrize("module, old, new, kind, said, table", [
    ("training", "torch.optim.AdamW(groups, lr=hparams.learning_rate,", "torch.optim.AdamW(groups, betas=(.9, .99), lr=hparams.learning_rate,",
     TUNED, "groups", "airline"),
    ("training", "torch.optim.AdamW(groups, lr=hparams.learning_rate,", "torch.optim.AdamW(groups, eps=1.1e-8, lr=hparams.learning_rate,",
     TUNED, "groups", "airline"),
    ("training", "scheduler = _scheduler(optimizer, hparams, len(plan))", "scheduler = _scheduler(optimizer, hparams, len(plan) + 1)",
     TUNED, "rates", "airline"),
    ("training", "                optimizer.step(); optimizer.zero_grad()", "                scheduler.step(); optimizer.step(); optimizer.zero_grad()",
     TUNED, "rates", "headlines"),
    ("training", '"weight_decay": 0.}', '"weight_decay": hparams.weight_decay}', TUNED, "groups", "airline"),
    ("embeddings", "pool(states, batch[\"attention_mask\"], how)", "pool(states, batch[\"attention_mask\"], \"cls\")",
     FROZEN, "probabilities", "airline_frozen"),
])
def test_another_behaviour_makes_a_probe_fail_and_names_the_tables(copy, module, old, new, kind, said, table):
    file = copy/"ft_course"/f"{module}.py"
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    file.write_text(text.replace(old, new), encoding="utf-8")
    found = of_copy(copy, kinds=[kind])
    assert any(c.startswith(said) for c in found["changed"][kind]), found
    assert table in found["tables"][kind]


def test_another_default_makes_the_rows_that_have_it_stale_and_says_so(copy):
    file = copy/"ft_course"/"training.py"
    text = file.read_text(encoding="utf-8")
    assert text.count("    max_grad_norm: float = 1. ") == 1
    file.write_text(text.replace("    max_grad_norm: float = 1. ", "    max_grad_norm: float = 2. "), encoding="utf-8")
    found = of_copy(copy, stale=True, kinds=[FROZEN])
    assert found["stale"]["airline"]["fine-tuned"] == ["max_grad_norm 1, now 2"]
    assert "TF-IDF" not in found["stale"]["airline"] and found["changed"] == {}
