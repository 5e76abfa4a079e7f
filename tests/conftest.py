"Shared by all tests: which of them `make check` leaves out, the environment of subprocesses, a tiny model made on the spot."
import os
from pathlib import Path
from types import CodeType, FunctionType

import pytest

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("FT_COURSE_PARALLEL", "1")   # the workers do not wait for each other's trainings
if "PYTEST_XDIST_WORKER" in os.environ: os.environ.setdefault("OMP_NUM_THREADS", "1")   # the other core has a worker of its own

ROOT = Path(__file__).resolve().parents[1]
BLOCKED = Path(__file__).parent/"blocked"   # its sitecustomize.py lets no socket leave the machine
LEFT_OUT = ("browser", "notebook", "process", "slow")   # by `make check`

ASKED = []   # assets that the running test wanted and could not have


def pytest_addoption(parser):
    parser.addoption("--check", action="store_true", help="only what is quick: no browser, no notebook, no asset, nothing marked slow")
    parser.addoption("--all-notebooks", action="store_true", help="run every notebook, also those whose receipt is fresh")


def pytest_configure(config):
    for line in ("browser: needs Chromium (found by itself)", "notebook: runs a notebook in a kernel (found by itself)",
                 "process: starts a Python of its own (found by itself)", "slow: takes longer than about a second",
                 "whole: minutes in a browser, run by `make test ALL=1` only", "drift: belongs to `make check` although it starts a process"):
        config.addinivalue_line("markers", line)
    if config.getoption("check"): without_assets()


def without_assets():
    "From now on a test that asks for one of the course's assets is skipped."
    from ft_course.core import assets
    real = assets.asset_folder

    def asset_folder(name, *args, **kwargs):
        if name not in (*assets.ASSETS, *assets.ALIASES): return real(name, *args, **kwargs)
        ASKED.append(name)
        pytest.skip(f"needs the asset {name}")

    assets.asset_folder = asset_folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    "A test that fails since a thread of its own could not have an asset is skipped too."
    ASKED.clear()
    try: return (yield)
    except Exception:
        if ASKED: pytest.skip(f"needs the asset {ASKED[0]}")
        raise


def in_tests(function) -> bool:
    return Path(__file__).parent in Path(function.__code__.co_filename).parents


def starts_process(function, seen: set) -> bool:
    "Does this function of a test file, or one that it calls, start a process?"
    seen.add(function)
    codes = [function.__code__]
    for code in codes: codes += [c for c in code.co_consts if isinstance(c, CodeType)]
    for name in {name for code in codes for name in code.co_names}:
        if name in ("subprocess", "multiprocessing"): return True
        called = function.__globals__.get(name)
        if isinstance(called, FunctionType) and in_tests(called) and called not in seen:
            if starts_process(called, seen): return True
    return False


def pytest_itemcollected(item):
    "Marks what needs a browser, runs a notebook or starts a process."
    reasons = {mark.kwargs.get("reason") for mark in item.iter_markers("skipif")}
    if "lab" in item.fixturenames or "no Chromium on this machine" in reasons: item.add_marker("browser")
    if item.originalname == "test_notebook_runs": item.add_marker("notebook")
    fixtures = [defined[-1].func for name, defined in item._fixtureinfo.name2fixturedefs.items() if name != "request"]
    if any(starts_process(f, set()) for f in (item.function, *fixtures) if isinstance(f, FunctionType) and in_tests(f)): item.add_marker("process")


def pytest_collection_modifyitems(config, items):
    "Each of two workers begins with half of the notebooks, which take longest. With `--check`, the quick tests only."
    has = lambda item, *names: any(item.get_closest_marker(name) for name in names)
    if config.getoption("check"):
        config.hook.pytest_deselected(items=[i for i in items if has(i, *LEFT_OUT) and not has(i, "drift")])
        items[:] = [i for i in items if not has(i, *LEFT_OUT) or has(i, "drift")]
    if not config.getoption("all_notebooks"):
        config.hook.pytest_deselected(items=[i for i in items if has(i, "whole")])
        items[:] = [i for i in items if not has(i, "whole")]
    runs, others = [i for i in items if has(i, "notebook")], [i for i in items if not has(i, "notebook")]
    cut = len(items)//2 - len(runs[::2])
    if cut > 0: items[:] = [*runs[::2], *others[:cut], *runs[1::2], *others[cut:]]


def blocked_env(**extra) -> dict:
    "The environment of a process that may only talk to this machine."
    paths = [str(BLOCKED), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p), "HF_HUB_OFFLINE": "1"} | extra


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def lab(tmp_path):
    "The address, token and folder of a lab that runs for one test."
    from lab_in_browser import serve_lab
    with serve_lab(ROOT, tmp_path) as served: yield served


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> str:
    "A folder with a random two-layer BERT that reads 512 tokens, and the tokenizer of the course's tiny one."
    import torch
    from transformers import BertConfig, BertModel
    from ft_course.models import load_tokenizer, tiny
    folder, tokenizer = tmp_path_factory.mktemp("tiny"), load_tokenizer(tiny("bert"))
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=30522, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def messages():
    "Texts and labels of the course's own small file."
    from ft_course.data import EXAMPLE_CSV, load_task
    return load_task(EXAMPLE_CSV).split("train")
