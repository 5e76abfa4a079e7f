"What the README tells a newcomer to type works: its snippet, on the file it names and on one of their own."
import re
import subprocess
import sys

from conftest import blocked_env


def snippet(root):
    return "\n".join(re.findall(r"```python\n(.*?)```", (root/"README.md").read_text(encoding="utf-8"), flags=re.S))


def test_csv_snippet(root, tmp_path):
    code = snippet(root)
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=blocked_env(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert (tmp_path/"my-model"/"config.json").is_file()


def test_csv_snippet_on_a_file_of_ones_own(root, tmp_path):
    rows = [f"message {i} about {'trains' if i % 2 else 'cats'} and number {i * i},{'rail' if i % 2 else 'pets'}" for i in range(40)]
    (tmp_path/"mine.csv").write_text("subject,team\n" + "\n".join(rows) + "\n", encoding="utf-8")
    code = snippet(root)
    mine = code.replace("load_task(EXAMPLE_CSV)", "load_task('mine.csv', text='subject', label='team')")
    assert mine != code
    run = subprocess.run([sys.executable, "-c", mine], cwd=tmp_path, env=blocked_env(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_readme_names_no_machine_and_both_commands(root):
    text = (root/"README.md").read_text(encoding="utf-8")
    assert "make lab" in text and "make test" in text and not re.search(r"/(?:root|work|home|Users)/\w", text)
