"Shared by all tests: the environment of the subprocesses and a tiny model made on the spot."
import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "agg")

ROOT = Path(__file__).resolve().parents[1]
BLOCKED = Path(__file__).parent/"blocked"   # its sitecustomize.py lets no socket leave the machine


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
    "A folder with a random two-layer BERT and MiniLM's tokenizer."
    import torch
    from transformers import BertConfig, BertModel
    from ft_course.models import load_tokenizer
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = load_tokenizer("minilm")
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def messages():
    "Texts and labels of the course's own small file."
    from ft_course.data import EXAMPLE_CSV, load_task
    return load_task(EXAMPLE_CSV).split("train")
