"""The command `ft-course`: assets, doctor, lab, tour"""


import argparse, importlib.util, json, os, shutil, subprocess, sys, time
from pathlib import Path

import ft_course
from ft_course.core.assets import ASSETS, LARGER, asset_folder, asset_table, verify_asset
from ft_course.core import CourseError, cache_dir

def _short(path: Path) -> str:
    "The path with the user's own folder as `~`, so that what is printed can be shown to others."
    path, own = Path(path), Path.home()
    return f"~/{path.relative_to(own).as_posix()}" if path.is_relative_to(own) else str(path)

def assets(names=(), verify: bool = False):
    """Fetches the named assets ('larger' for every larger model; none: all others) where they are not there,
    then prints what there is; with `verify`, checks every file's hash."""
    for name in names or ASSETS:
        for each in LARGER if name == "larger" else [name]: asset_folder(each, fetch=True)
    rows = asset_table()
    for row in rows:
        print(f"{row['asset']:9} {row['megabytes']:4} MB  {row['state']}  {row['about']}\n"
              f"{'':11}{row['source']}; {row['licence']}")
    print(f"in {_short(cache_dir())}")
    if verify:
        ready = [row["asset"] for row in rows if row["state"] == "ready"]
        damaged = {name: files for name in ready if (files := verify_asset(name))}
        for name, files in damaged.items():
            print(f"{name}: {len(files)} damaged file(s), the first is {files[0]}; "
                  f"delete {_short(asset_folder(name))} and run `ft-course assets {name}` again")
        if damaged: raise SystemExit(1)
        print("every file is as it was made")

def doctor() -> int:
    "Prints what this machine is and what is missing; returns the number of things that need doing."
    import platform
    from importlib.metadata import version
    import torch
    from ft_course.models import best_device
    from ft_course.training import gflops
    todo = []
    print(f"ft_course {ft_course.__version__}, Python {platform.python_version()}, "
          f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    for package in ("torch", "transformers", "datasets", "peft", "scikit-learn"): print(f"  {package} {version(package)}")
    if importlib.util.find_spec("jupyterlab"): print(f"  jupyterlab {version('jupyterlab')}")
    else: todo.append("pip install -e '.[course]' in the folder you cloned, for JupyterLab")
    existing = next(p for p in (cache_dir(), *cache_dir().parents) if p.exists())
    free = shutil.disk_usage(existing).free / 1e9
    print(f"  cache {_short(cache_dir())}: {free:.1f} GB free")
    table = asset_table()
    missing = [row["asset"] for row in table if row["state"] != "ready" and not row["larger"]]
    larger = [f"{row['asset']} {row['state']}" for row in table if row["larger"]]
    print(f"  larger models (`ft-course assets NAME`): {', '.join(larger)}")
    if missing: todo.append(f"run `ft-course assets` (missing: {', '.join(missing)})")
    if missing and free < 1:
        todo.append(f"free 1 GB at {existing}, or set FT_COURSE_HOME to a folder on another disk")
    print(f"  device {best_device()}; fp32 matrix product {gflops():.0f} GFLOP/s on {torch.get_num_threads()} CPU threads")
    for line in todo: print(f"  to do: {line}")
    if not todo: print("  nothing is missing")
    return len(todo)

OVERRIDES = {   # of JupyterLab's settings, in the learner's lab only
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},   # quizzes and checks are seen again the next day
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}} # the table of contents jumps at once

def lab(folder="my-course", browser: bool = True, extra=()) -> int:
    """Makes or refreshes the learner's copy and runs JupyterLab on it until it is closed;
    returns its exit status."""
    from ft_course.classroom.copy import course_root, learners_copy
    from ft_course.classroom.landing import FILE as START
    if importlib.util.find_spec("jupyterlab") is None:
        raise CourseError("JupyterLab is not installed here; in the folder you cloned run pip install -e '.[course]'.")
    root = course_root()
    mine = root/folder
    for name in ASSETS: asset_folder(name)
    for name in learners_copy(root, mine):
        print(f"{name} has a newer version; yours was changed, so it stays. "
              "Rename it and run this again to get the new one.")
    quiet = mine/".jupyter"/"labconfig"/"default_setting_overrides.json"
    quiet.parent.mkdir(parents=True, exist_ok=True)
    quiet.write_text(json.dumps(OVERRIDES), encoding="utf-8")
    paths = [str(quiet.parents[1]), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    env = os.environ | {"JUPYTER_CONFIG_PATH": os.pathsep.join(p for p in paths if p),
                        "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "jupyterlab", str(mine), "--ServerApp.ip=127.0.0.1",
               f"--LabApp.default_url=/lab/tree/{START}",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
               *([] if browser else ["--no-browser"]), *extra]
    if getattr(os, "geteuid", lambda: 1)() == 0:   # in containers and hosted notebooks there is nobody but root
        command.append("--allow-root")
    return subprocess.call(command, env=env)

def tour():
    "Runs chapter 01's comparisons and prints their tables with intervals over test items."
    start = time.perf_counter()
    for name in ASSETS: asset_folder(name)
    from ft_course.evaluation import compare
    from ft_course.data import load_task
    from ft_course.why_fine_tune import estimators, live
    for name, against, title, about in [
        ("airline", "frozen encoder", "1. Sentiment of tweets to airlines: what does fine-tuning buy?",
         "macro-F1 weighs the three sentiments equally"),
        ("headline_writing", "before", "2. Headline writing: a small language model before and after training",
         "loss in nats a token (lower is better), rouge_l from 0 to 1 (higher is better)")]:
        print(title, flush=True)
        found = compare(estimators(name), live(load_task(name)))
        print(found.table(against=against).to_string())
        print(f"intervals: 95 %, {found.covers}; {about}\n")
    print(f"done in {time.perf_counter() - start:.0f} s. "
          "`make lab` (or `ft-course lab`) opens the chapter that explains it.")

def main(argv=None) -> int:
    "The command line; returns the exit status."
    parser = argparse.ArgumentParser(
        prog="ft-course", description="A course on fine-tuning language models, offline on two cores.")
    parser.add_argument("--version", action="version", version=ft_course.__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("assets", help="fetch models and texts, and list them")
    fetch.add_argument("names", nargs="*", metavar="NAME",
                       help="which ones; 'larger' for the larger models; none given: all others")
    fetch.add_argument("--verify", action="store_true", help="check every file's hash")
    commands.add_parser("doctor", help="say what this machine is and what is missing")
    open_lab = commands.add_parser("lab", help="open your copy of the course in JupyterLab")
    open_lab.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    commands.add_parser("tour", help="chapter 01's runs and tables in the terminal")
    args, extra = parser.parse_known_args(argv)
    if extra and args.command != "lab": parser.error(f"unknown argument {extra[0]}")
    try:
        if args.command == "assets": assets(args.names, args.verify)
        elif args.command == "doctor": return min(doctor(), 1)
        elif args.command == "lab": return lab(browser=not args.no_browser, extra=extra)
        else: tour()
    except (CourseError, ValueError) as err:
        print(f"ft-course: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; what was finished is kept", file=sys.stderr)
        return 130
    return 0
