"Where models come from: the local Hub cache first, a quick honest failure without a network, proxies and mirrors respected."
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ASK = """
import sys, time
from ft_course.models import resolve_model
import huggingface_hub.utils, huggingface_hub.constants
start = time.perf_counter()
try: print("found", resolve_model(sys.argv[1]))
except Exception as err: print(type(err).__name__, err)
print(time.perf_counter() - start)
"""


def ask(tmp_path, name="distilbert/distilbert-base-uncased", **extra):
    "What `resolve_model` says of a Hub id in a process with an empty Hub cache, and the seconds it took."
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_")) and "proxy" not in k.lower()} | {"HF_HOME": str(tmp_path/"hf")} | extra
    run = subprocess.run([sys.executable, "-c", ASK, name], env=env, capture_output=True, text=True, timeout=60)
    assert not run.returncode, run.stderr
    said, seconds = run.stdout.strip().rsplit("\n", 1)
    return said, float(seconds)


class Server:
    "A loopback server that keeps the requests it got; `answers=False` accepts connections and stays silent."
    def __init__(self, answers=True):
        requests = self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def reply(self):
                requests.append(self.path if self.command != "CONNECT" else f"CONNECT {self.path}")
                if not answers: time.sleep(5)
                self.send_response(200); self.end_headers()
            do_HEAD = do_GET = do_CONNECT = reply
            def log_message(self, *args): pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc): self.server.shutdown(); self.server.server_close()


def test_without_a_network_it_fails_quickly_and_names_what_works(tmp_path):
    said, seconds = ask(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert said.startswith("CourseError") and "minilm, smollm2" in said and "hf download" in said
    assert seconds < 2


def test_a_server_that_never_answers_costs_less_than_two_seconds(tmp_path):
    with Server(answers=False) as silent: said, seconds = ask(tmp_path, HF_ENDPOINT=silent.url)
    assert said.startswith("CourseError") and seconds < 2


def test_offline_mode_asks_nobody(tmp_path):
    with Server() as hub:
        said, seconds = ask(tmp_path, HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="1")
        assert said.startswith("CourseError") and hub.requests == [] and seconds < 2


def test_mirror_is_asked(tmp_path):
    with Server() as hub:
        said, _ = ask(tmp_path, HF_ENDPOINT=hub.url)
        assert said.startswith("found") and len(hub.requests) == 1


def test_proxy_is_used(tmp_path):
    with Server() as proxy:
        ask(tmp_path, HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=proxy.url, http_proxy=proxy.url)
        assert proxy.requests and "hub.invalid" in proxy.requests[0]


def test_local_hub_cache_comes_first(tmp_path, tiny):
    commit = "0"*40
    repo = tmp_path/"hf"/"hub"/"models--somebody--tiny"
    (repo/"refs").mkdir(parents=True)
    (repo/"refs"/"main").write_text(commit)
    shutil.copytree(tiny, repo/"snapshots"/commit)
    with Server() as hub:
        said, _ = ask(tmp_path, "somebody/tiny", HF_ENDPOINT=hub.url)
        assert said.startswith("found") and "'local_files_only': True" in said and hub.requests == []
    code = "from ft_course.training import FineTunedClassifier, HeadOnly; print(FineTunedClassifier('somebody/tiny', HeadOnly()).fit(['good', 'bad'], ['a', 'b']).predict(['good']))"
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | {"HF_HOME": str(tmp_path/"hf"), "HF_ENDPOINT": "http://127.0.0.1:9"}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.strip() in ("['a']", "['b']"), run.stderr


@pytest.mark.parametrize("name, hint", [("minlim", "did you mean 'minilm'"), ("no such folder", "a model folder"), ("a/b/c", "a Hub id")])
def test_unknown_name(name, hint):
    from ft_course.models import resolve_model
    with pytest.raises(ValueError, match=hint): resolve_model(name)


def test_weights_that_are_not_safetensors_are_refused(tmp_path, tiny):
    import torch
    from ft_course.models import load_encoder
    folder = Path(shutil.copytree(tiny, tmp_path/"pickled"))
    (folder/"model.safetensors").unlink()
    torch.save({}, folder/"pytorch_model.bin")
    with pytest.raises(Exception): load_encoder(folder)
