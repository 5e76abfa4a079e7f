"The command line, and the lab in a real browser."
import os
import subprocess
import urllib.error
import urllib.request

import pytest
from lab_in_browser import FT, IDLE, needs_chromium, page_of



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


def test_lab_is_for_this_machine_and_this_user_only(lab):
    address, token, course = lab
    with pytest.raises(urllib.error.HTTPError) as denied: urllib.request.urlopen(f"{address}/api/contents")
    assert denied.value.code == 403
    assert urllib.request.urlopen(f"{address}/api/contents?token={token}").status == 200
    assert (course/"my-course"/"1_foundations"/"01_why_fine_tune.ipynb").is_file()


@needs_chromium
def test_lab_opens_on_the_start_page_and_a_click_leads_to_a_chapter(lab, tmp_path):
    address, token, course = lab
    with page_of(f"{address}/?token={token}") as (page, elsewhere):
        try:
            page.get_by_role("heading", name="Start here").wait_for(timeout=60_000)
            assert page.get_by_text("No class has tried this course yet").is_visible()
            page.get_by_role("link", name="01 Why fine-tune?").click()
            page.get_by_role("heading", name="Why fine-tune?").wait_for(timeout=60_000)
            page.wait_for_function(IDLE, timeout=60_000)
        finally: page.screenshot(path=os.environ.get("SCREENSHOT", str(tmp_path/"lab.png")))
        assert page.locator(".jp-OutputArea-output").count() == 0          # the learner's copy gives nothing away
    assert elsewhere == []
