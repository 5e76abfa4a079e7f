"Where models come from: the local Hub cache first, a quick honest failure without a network, proxies and mirrors respected."
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ft_course import models

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
    code = "from ft_course import FineTunedClassifier, HeadOnly; print(FineTunedClassifier('somebody/tiny', HeadOnly()).fit(['good', 'bad'], ['a', 'b']).predict(['good']))"
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


# Six families, made on the spot

LABELS = ["negative", "neutral", "positive"]
SHORT, LONG = "Is the room free?", "I lost my card, and the book I borrowed last week is due tomorrow."
SUMMARY = {"gpt2": "score", "llama": "score", "t5": "classification_head.out_proj"}   # where the head sits, if not in `classifier`


@pytest.fixture(scope="module", params=["bert", "distilbert", "roberta", "gpt2", "t5", "llama"])
def family(request):
    from ft_course import models
    return request.param, models.tiny(request.param)


def classifier_and_tokenizer(folder, **settings):
    "A classifier that knows its tokenizer's padding token, as the estimators make it."
    from ft_course.models import load_classifier, load_tokenizer
    model, tokenizer = load_classifier(folder, LABELS, **settings), load_tokenizer(folder)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


def logits(model, batch):
    import torch
    with torch.no_grad(): return model(**batch).logits


def test_the_families_are_these():
    from ft_course.models import FAMILIES
    assert FAMILIES == ("bert", "distilbert", "roberta", "gpt2", "t5", "llama")


def test_family_saves_and_loads_exactly(family, tmp_path):
    import torch
    from transformers import pipeline
    model, tokenizer = classifier_and_tokenizer(family[1])
    model.save_pretrained(tmp_path/"m"); tokenizer.save_pretrained(tmp_path/"m")
    again, tokenizer_again = classifier_and_tokenizer(tmp_path/"m")
    texts = [SHORT, LONG, "Zürich, naïve: 12 € — 日本", ""]
    assert tokenizer(texts)["input_ids"] == tokenizer_again(texts)["input_ids"]
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))
    batch = tokenizer([SHORT, LONG], padding=True, return_tensors="pt")
    assert torch.equal(logits(model, batch), logits(again, batch))
    opened = pipeline("text-classification", model=str(tmp_path/"m"), device="cpu", top_k=None)
    for text in (SHORT, LONG):
        ours = logits(model, tokenizer(text, return_tensors="pt")).softmax(-1)[0]
        for row in opened([text])[0]: assert abs(row["score"] - ours[LABELS.index(row["label"])].item()) < 1e-6


def test_padding_does_not_change_logits(family):
    import torch
    model, tokenizer = classifier_and_tokenizer(family[1])
    together = logits(model, tokenizer([SHORT, LONG], padding=True, return_tensors="pt"))
    apart = [logits(model, tokenizer(text, return_tensors="pt"))[0] for text in (SHORT, LONG)]
    torch.testing.assert_close(together, torch.stack(apart), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(apart[0], apart[1], atol=1e-3)   # the network does answer differently to different texts


def test_family_network_and_its_length(family):
    import torch
    from ft_course.models import context_length, load_encoder, load_tokenizer
    name, folder = family
    network, tokenizer = load_encoder(folder), load_tokenizer(folder)
    length = context_length(network.config)
    assert network.config.model_type == name and network.config.vocab_size == len(tokenizer)
    assert length == (None if name == "t5" else 128)
    def states(n):
        ids = torch.full((1, n), 20)
        more = {"decoder_input_ids": ids} if name == "t5" else {}
        with torch.no_grad(): return network(input_ids=ids, **more).last_hidden_state
    assert states(length or 300).shape == (1, length or 300, 32)
    if name not in ("t5", "llama"):     # these two compute their positions; the others read them from a table
        with pytest.raises((IndexError, RuntimeError)): states(length + 1)
    long = tokenizer(LONG*20, truncation=True)["input_ids"]
    assert len(long) == 128


@pytest.mark.parametrize("name, first, last, pad", [
    ("bert", "[CLS]", "[SEP]", "[PAD]"), ("distilbert", "[CLS]", "[SEP]", "[PAD]"), ("roberta", "<s>", "</s>", "<pad>"),
    ("gpt2", None, None, None), ("t5", None, "</s>", "<pad>"), ("llama", "<s>", None, None)])
def test_family_tokenizer_has_the_familys_marks(name, first, last, pad):
    from transformers import AutoTokenizer
    from ft_course.models import load_tokenizer, tiny
    folder = tiny(name)
    tokens = (tokenizer := load_tokenizer(folder)).convert_ids_to_tokens(tokenizer(SHORT)["input_ids"])
    special = set(tokenizer.all_special_tokens)
    assert (tokens[0] if tokens[0] in special else None) == first and (tokens[-1] if tokens[-1] in special else None) == last
    assert AutoTokenizer.from_pretrained(folder).pad_token == pad and tokenizer.pad_token is not None
    assert "?" in "".join(tokens) and tokenizer.decode(tokenizer(SHORT)["input_ids"], skip_special_tokens=True).lower() in (SHORT.lower(), "is the room free ?")
    if name == "roberta": assert tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]) == [0, 1, 2, 3, 4]
    if name == "t5": assert tokenizer.convert_tokens_to_ids(["<pad>", "</s>", "<unk>"]) == [0, 1, 2] and "<extra_id_0>" in tokenizer.get_vocab()


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_causal_family_scores_a_text(name):
    import torch
    from ft_course.models import load_causal, load_tokenizer, tiny
    folder = tiny(name)
    model, ids = load_causal(folder), load_tokenizer(folder)(LONG, return_tensors="pt").input_ids
    with torch.no_grad(): out = model(input_ids=ids, labels=ids)
    by_hand = out.logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None]).sum()
    torch.testing.assert_close(-out.loss*(ids.shape[1] - 1), by_hand)
    assert torch.equal(model.get_output_embeddings().weight, model.get_input_embeddings().weight)   # so no head is missing from the folder
    if name == "llama": assert model.config.num_key_value_heads < model.config.num_attention_heads


def test_t5_writes(tmp_path):
    import torch
    from transformers import AutoModelForSeq2SeqLM
    from ft_course.models import load_tokenizer, tiny
    folder = tiny("t5")
    model, again = (AutoModelForSeq2SeqLM.from_pretrained(folder).eval() for _ in range(2))
    tokenizer = load_tokenizer(folder)
    batch, target = tokenizer(LONG, return_tensors="pt"), tokenizer(SHORT, return_tensors="pt").input_ids
    assert torch.equal(logits(model, batch | {"labels": target}), logits(again, batch | {"labels": target}))
    assert model.generate(**batch, max_new_tokens=4, do_sample=False).shape[1] <= 5
    loss = model(**batch, labels=target).loss
    loss.backward()
    assert loss.item() > 0 and all(p.grad is not None for p in model.parameters())


def test_tiny_is_always_the_same_and_whole(tmp_path):
    import torch
    from ft_course.models import FAMILIES, tiny
    state = torch.get_rng_state()
    code = "import hashlib, sys; from pathlib import Path; from ft_course.models import FAMILIES, tiny\nfor f in FAMILIES:\n  p = Path(tiny(f)); print(f, [(q.name, hashlib.sha256(q.read_bytes()).hexdigest()) for q in sorted(p.iterdir())])"
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONHASHSEED": seed}) for seed in ("1", "2")]
    said = [run.communicate(timeout=100)[0] for run in runs]
    assert said[0] == said[1] and len(said[0].splitlines()) == len(FAMILIES) and all(not r.returncode for r in runs)
    assert torch.equal(torch.get_rng_state(), state)
    start = time.perf_counter()
    assert tiny("bert", tmp_path/"a"/"mine") == str(tmp_path/"a"/"mine")
    assert time.perf_counter() - start < 2 and [p.name for p in (tmp_path/"a").iterdir()] == ["mine"]
    assert Path(tiny("bert")).is_dir() and tiny("bert") != tiny("bert")


def test_tiny_folder_goes_with_its_process():
    code = "from ft_course.models import tiny; print(tiny('gpt2'))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.strip() and not Path(run.stdout.strip()).exists()


@pytest.mark.parametrize("name, hint", [("brt", "did you mean 'bert'"), ("mamba", "give one of bert, distilbert, roberta, gpt2, t5, llama")])
def test_unknown_family(name, hint, tmp_path):
    from ft_course.models import tiny
    with pytest.raises(ValueError, match=hint) as caught: tiny(name, tmp_path/"m")
    assert "\n" not in str(caught.value) and not (tmp_path/"m").exists()


# Fewer layers

def test_kept_layers_are_the_first_ones():
    import torch
    from ft_course.models import load_classifier, load_encoder, tiny
    ids = torch.tensor([[2, 20, 30, 40, 3]])
    for folder, depth in ((tiny("bert"), 2), ("minilm", 6)):
        with torch.no_grad(): full = load_encoder(folder)(input_ids=ids, output_hidden_states=True).hidden_states
        assert len(full) == depth + 1
        for k in range(1, depth + 1):
            cut = load_classifier(folder, LABELS, layers=k)
            assert cut.config.num_hidden_layers == k == len(cut.bert.encoder.layer)
            with torch.no_grad(): kept = cut.bert(input_ids=ids).last_hidden_state
            torch.testing.assert_close(kept, full[k])


def test_family_with_one_layer(family, tmp_path):
    import torch
    name, folder = family
    full, _ = classifier_and_tokenizer(folder)
    cut, tokenizer = classifier_and_tokenizer(folder, layers=1)
    theirs = dict(full.named_parameters())
    head = SUMMARY.get(name, "classifier")
    assert len(list(cut.parameters())) < len(theirs)
    for parameter, weights in cut.named_parameters():
        if not parameter.startswith((head, "classification_head", "pre_classifier")): assert torch.equal(weights, theirs[parameter]), parameter
    cut.save_pretrained(tmp_path/"m"); tokenizer.save_pretrained(tmp_path/"m")
    again, _ = classifier_and_tokenizer(tmp_path/"m")
    batch = tokenizer([SHORT, LONG], padding=True, return_tensors="pt")
    assert torch.equal(logits(cut, batch), logits(again, batch))


@pytest.mark.parametrize("layers", [0, 3, -1])
def test_wrong_number_of_layers(layers):
    from ft_course.models import footprint, load_classifier, tiny
    folder = tiny("bert")
    for use in (lambda: load_classifier(folder, LABELS, layers=layers), lambda: footprint(folder, layers=layers)):
        with pytest.raises(ValueError, match=f"layers={layers}: .* has 2 layers, so layers has to be from 1 to 2"): use()


# What a model needs

def test_footprint_counts_what_is_loaded(family):
    from transformers import AutoModelForSeq2SeqLM
    from ft_course.models import footprint, load_causal, load_encoder
    name, folder = family
    load = {"gpt2": load_causal, "llama": load_causal, "t5": AutoModelForSeq2SeqLM.from_pretrained}.get(name, load_encoder)
    about, model = footprint(folder), load(folder)
    assert about["parameters"] == sum(p.numel() for p in model.parameters())
    assert (about["load_mb"], about["train_mb"]) == pytest.approx((4e-6*about["parameters"], 16e-6*about["parameters"]))
    assert about["word_embeddings"] == model.get_input_embeddings().weight.numel()
    assert about["family"] == name and about["layers"] == 2 and about["hidden_size"] == 32 and about["licence"] == "not stated here"
    assert about["kind"] == {"gpt2": "decoder", "llama": "decoder", "t5": "encoder-decoder"}.get(name, "encoder")


def test_footprint_reads_config_and_card_and_no_weights(tmp_path):
    from ft_course.models import footprint, tiny
    folder = Path(tiny("llama", tmp_path/"m"))
    whole = footprint(folder)
    for file in folder.iterdir():
        if file.name != "config.json": file.unlink()
    assert footprint(folder) == whole
    (folder/"README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# A model\n", encoding="utf-8")
    assert footprint(folder)["licence"] == "cc-by-nc-4.0"
    (folder/"README.md").write_text("# A model without a head\n", encoding="utf-8")
    assert footprint(folder)["licence"] == "not stated here"


def test_footprint_of_a_hub_id_in_the_local_cache(tmp_path):
    from ft_course.models import tiny
    repo = tmp_path/"hf"/"hub"/"models--somebody--tiny"
    (repo/"refs").mkdir(parents=True)
    (repo/"refs"/"main").write_text("0"*40)
    snapshot = repo/"snapshots"/("0"*40)
    snapshot.mkdir(parents=True)
    shutil.copy(Path(tiny("gpt2"))/"config.json", snapshot)
    (snapshot/"README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    code = "from ft_course.models import footprint; print(footprint('somebody/tiny')['licence'], footprint('somebody/tiny')['kind'])"
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | {"HF_HOME": str(tmp_path/"hf"), "HF_ENDPOINT": "http://127.0.0.1:9"}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert run.stdout.strip() == "mit decoder", run.stderr
    (snapshot/"README.md").unlink()
    assert subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True).stdout.strip() == "card not downloaded decoder"


class Hub(Server):
    "A loopback Hub with the repository `somebody/tiny`, whose files are those of a folder."
    def __init__(self, folder):
        super().__init__()
        requests, commit, files = self.requests, "0"*40, {p.name: p.read_bytes() for p in Path(folder).iterdir()}

        class Handler(http.server.BaseHTTPRequestHandler):
            def reply(self):
                requests.append(f"{self.command} {self.path}")
                repo, _, file = self.path.lstrip("/").partition("/resolve/main/")
                body = files.get(file, b"") if repo == "somebody/tiny" else b""
                if not body:
                    self.send_response(404 if self.path != "/" else 200)
                    self.send_header("X-Error-Code", "EntryNotFound" if repo == "somebody/tiny" else "RepoNotFound")
                else: self.send_response(200)
                self.send_header("X-Repo-Commit", commit)
                self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET": self.wfile.write(body)
            do_HEAD = do_GET = reply
            def log_message(self, *args): pass
        self.server.RequestHandlerClass = Handler


def with_hub(code, tmp_path, hub):
    "What `code` prints in a process whose Hub is `hub` and whose Hub cache is `tmp_path/hf`."
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | {"HF_HOME": str(tmp_path/"hf"), "HF_ENDPOINT": hub.url}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=100)
    assert not run.returncode, run.stderr
    return run.stdout.strip()


@pytest.mark.parametrize("card, licence", [("---\nlicense: mit\n---\n", "mit"), (None, "not stated here")])
def test_footprint_of_a_hub_id_leaves_nothing_in_the_cache(tmp_path, card, licence):
    from ft_course.models import load_causal, tiny
    folder = Path(tiny("gpt2", tmp_path/"m"))
    if card: (folder/"README.md").write_text(card, encoding="utf-8")
    look = "from ft_course.models import footprint, load_causal, resolve_model; print(footprint('somebody/tiny')['licence'], 'local_files_only' in resolve_model('somebody/tiny'))"
    with Hub(folder) as hub:
        assert with_hub(look, tmp_path, hub) == f"{licence} False"
        assert not any(".safetensors" in request for request in hub.requests) and not list((tmp_path/"hf").glob("hub/models--*"))
        loaded = with_hub(look + "; print(load_causal('somebody/tiny').num_parameters())", tmp_path, hub)   # the weights can still be had
        assert loaded.endswith(str(load_causal(folder).num_parameters()))


@pytest.mark.slow
def test_a_model_of_which_only_the_config_is_in_the_cache_is_fetched(tmp_path):
    from ft_course.models import load_causal, tiny
    folder = Path(tiny("gpt2", tmp_path/"m"))
    snapshot = tmp_path/"hf"/"hub"/"models--somebody--tiny"/"snapshots"/("0"*40)
    shutil.copytree(folder, snapshot, ignore=shutil.ignore_patterns("*.safetensors"))
    (snapshot.parents[1]/"refs").mkdir()
    (snapshot.parents[1]/"refs"/"main").write_text("0"*40)
    load = "from ft_course.models import load_causal; print(load_causal('somebody/tiny').num_parameters())"
    with Hub(folder) as hub: assert with_hub(load, tmp_path, hub) == str(load_causal(folder).num_parameters())
    assert with_hub(load, tmp_path, hub) == str(load_causal(folder).num_parameters()), "now it is whole, and the Hub need not answer"


def test_weights_are_in_the_cache_when_all_their_files_are(tmp_path, monkeypatch):
    import huggingface_hub
    from ft_course.core import CourseError
    folder = Path(models.tiny("gpt2", tmp_path/"m"))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: str(folder/"config.json"))
    monkeypatch.setattr(models, "hub_answers", lambda: False)
    def there(): return models.resolve_model("somebody/tiny", weights=True) == {"pretrained_model_name_or_path": "somebody/tiny", "local_files_only": True}
    assert there()
    models.load_causal(folder).save_pretrained(folder, max_shard_size="60KB")
    (folder/"model.safetensors").unlink(missing_ok=True)
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1 and there()
    shards[-1].unlink()
    with pytest.raises(CourseError, match="'somebody/tiny' is only in part in the local Hub cache.*hf download somebody/tiny"): there()
    assert models.load_tokenizer(folder) and models.resolve_model("somebody/tiny")["local_files_only"], "its config and tokenizer can be read"


def test_footprint_of_a_hub_id_that_is_not_there(tmp_path):
    from ft_course.models import tiny
    look = "from ft_course.core import CourseError\nfrom ft_course.models import footprint\ntry: footprint('somebody/else')\nexcept CourseError as err: print(err)"
    with Hub(tiny("gpt2")) as hub: said = with_hub(look, tmp_path, hub)
    assert "gives no config of 'somebody/else'" in said and "log in" in said and "\n" not in said


def test_footprint_of_the_courses_models():
    from ft_course.models import footprint
    minilm, smollm2 = footprint("minilm"), footprint("smollm2")
    assert (minilm["kind"], minilm["context"], minilm["licence"]) == ("encoder", 512, "Apache-2.0")
    assert (smollm2["kind"], smollm2["layers"], smollm2["parameters"]) == ("decoder", 30, 134_515_008)
    assert footprint("minilm", layers=2)["layers"] == 2 and footprint("minilm", layers=2)["parameters"] < minilm["parameters"]


def test_a_copy_is_the_same_model_and_one_trained_on_is_another(tmp_path):
    folder = models.tiny("bert", tmp_path/"a")
    moved = shutil.copytree(folder, tmp_path/"elsewhere")
    assert models.model_identity(folder) == models.model_identity(moved) != models.model_identity("minilm")
    first = models.load_once(folder, models.load_encoder)
    assert models.load_once(folder, models.load_encoder) is first
    network = first[1]
    network.embeddings.LayerNorm.bias.data += 1e-4
    network.save_pretrained(folder)
    assert models.model_identity(folder) != models.model_identity(moved)
    assert models.load_once(folder, models.load_encoder) is not first
    models.unload()


def test_identity_of_a_hub_model_is_its_revision(tmp_path, monkeypatch):
    import huggingface_hub
    kept = tmp_path/"snapshots"/"0123abc"/"config.json"
    monkeypatch.setattr(models, "resolve_model", lambda name: {"pretrained_model_name_or_path": name})
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: str(kept))
    assert models.model_identity("someone/model") == "someone/model@0123abc"
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    assert models.model_identity("someone/model") is None
