"`ft-course lab` as a process of its own, and Chromium in front of it; shared by the tests that need them."
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

FT = str(Path(sys.executable).with_name("ft-course"))
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync".split()
IDLE = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
needs_chromium = pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no Chromium on this machine")


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def serve_lab(root: Path, folder: Path):
    "The lab on a copy of the course in `folder`, with Jupyter folders and a token of its own: (address, token, the copy)."
    course, token = folder/"course", secrets.token_hex(8)
    shutil.copytree(root/"nbs", course/"nbs", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "my-model"))
    shutil.copy(root/"settings.ini", course)
    env = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}   # the figures are to be seen
    env |= {f"JUPYTER_{k}": str(folder/k.lower()) for k in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")}
    process = subprocess.Popen([FT, "lab", "--no-browser", f"--ServerApp.port={_free_port()}", f"--IdentityProvider.token={token}", "--ServerApp.allow_root=True", "--LabApp.expose_app_in_browser=True"],
                               cwd=course, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    said = []
    try:
        # the port it says, not the one it was given: that may have been taken meanwhile
        for line in process.stdout:
            said.append(line)
            if m := re.search(r"http://127\.0\.0\.1:\d+", line): break
        else: raise AssertionError("the lab ended before it was running:\n" + "".join(said))
        threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True).start()   # a full pipe would stop it
        yield m.group(), token, course
    finally:
        os.killpg(process.pid, 2)
        try: process.wait(20)
        except subprocess.TimeoutExpired: os.killpg(process.pid, 9)


@contextmanager
def page_of(url: str):
    "A page in Chromium at this address of the lab, and a list of the requests that left the machine."
    from playwright.sync_api import sync_playwright
    address, elsewhere = re.match(r"http://[^/]+", url).group(), []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.on("request", lambda r: None if re.match(rf"{address}|ws://127\.0\.0\.1|data:|blob:", r.url) else elsewhere.append(r.url))
        try:
            page.goto(url)
            yield page, elsewhere
        finally: browser.close()
