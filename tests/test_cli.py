"The command line, and the lab in a real browser."
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

FT = str(Path(sys.executable).with_name("ft-course"))
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync".split()


def ft(*args, **env):
    return subprocess.run([FT, *args], capture_output=True, text=True, env=os.environ | env, timeout=120)


def test_doctor_finds_nothing_missing_here():
    run = ft("doctor")
    assert run.returncode == 0 and "nothing is missing" in run.stdout and "GFLOP/s" in run.stdout


def test_doctor_says_what_is_missing(tmp_path):
    run = ft("doctor", FT_COURSE_HOME=str(tmp_path))
    assert run.returncode == 1 and "to do: run `ft-course assets` (missing: minilm, smollm2, bbc, tweets)" in run.stdout


def test_failure_is_one_sentence_and_a_status(tmp_path):
    (tmp_path/"file").write_text("")
    run = ft("assets", FT_COURSE_HOME=str(tmp_path/"file"))
    assert run.returncode == 1 and run.stderr.startswith("ft-course: ") and "Traceback" not in run.stderr
    assert ft("tour", "--quick").returncode == 2


@pytest.fixture
def lab(root, tmp_path):
    "`ft-course lab` on a copy of the course, with Jupyter folders and a token of its own: (address, token, process)."
    shutil.copytree(root/"nbs", tmp_path/"course"/"nbs", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "my-model"))
    shutil.copy(root/"settings.ini", tmp_path/"course")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    token = secrets.token_hex(8)
    env = os.environ | {f"JUPYTER_{k}": str(tmp_path/k.lower()) for k in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")}
    process = subprocess.Popen([FT, "lab", "--no-browser", f"--ServerApp.port={port}", f"--IdentityProvider.token={token}", "--ServerApp.allow_root=True", "--LabApp.expose_app_in_browser=True"],
                               cwd=tmp_path/"course", env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        for line in process.stdout:
            if "is running at" in line: break
        yield f"http://127.0.0.1:{port}", token, tmp_path/"course"
    finally:
        os.killpg(process.pid, 2)
        try: process.wait(20)
        except subprocess.TimeoutExpired: os.killpg(process.pid, 9)


def test_lab_is_for_this_machine_and_this_user_only(lab):
    import urllib.error
    import urllib.request
    address, token, course = lab
    with pytest.raises(urllib.error.HTTPError) as denied: urllib.request.urlopen(f"{address}/api/contents")
    assert denied.value.code == 403
    assert urllib.request.urlopen(f"{address}/api/contents?token={token}").status == 200
    assert (course/"my-course"/"1_foundations"/"01_why_fine_tune.ipynb").is_file()


@pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no Chromium on this machine")
def test_lab_opens_at_chapter_one(lab, tmp_path):
    from playwright.sync_api import sync_playwright
    address, token, course = lab
    elsewhere = []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("request", lambda r: None if re.match(rf"{address}|ws://127\.0\.0\.1|data:|blob:", r.url) else elsewhere.append(r.url))
        page.goto(f"{address}/?token={token}")
        try: page.get_by_role("heading", name="Why fine-tune?").wait_for(timeout=60_000)
        except Exception:
            page.screenshot(path=os.environ.get("SCREENSHOT", str(tmp_path/"lab.png")))
            raise
        page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000)
        assert page.locator(".jp-OutputArea-output").count() == 0          # the learner's copy gives nothing away
        page.screenshot(path=os.environ.get("SCREENSHOT", str(tmp_path/"lab.png")))
        browser.close()
    assert elsewhere == []
