"The records of a panel's runs: kept on disk in a learner's copy, shown as a table."
import contextlib
import hashlib
import json
import re
from pathlib import Path

from ft_course.classroom.progress import learner_folder
from ft_course.core import locked, look_up, write_json
from ft_course.widgets.jobs import Job


def _rounded(values: dict) -> dict: return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}


def run_record(
    job: Job,       # ended
    changed: dict,  # settings that were not the defaults
    score: dict,    # as from `final_score`
) -> dict:
    "A run as it is kept: plain values, at most about 200 losses."
    drawn, n = job.watch.drawn, len(job.watch.losses)
    every = max(1, n // 200)
    return {"task": job.task.name, "settings": job.settings, "changed": changed, "ended": job.ended,
            "seconds": round(job.seconds, 1), "steps": n, "of": drawn["of"], "every": every,
            "losses": [round(x, 4) for x in drawn["losses"][::every]],
            "points": [_rounded(p) for p in drawn["points"]], "old": [_rounded(e) for e in drawn["old"]]} | score


def _folder_name(name: str) -> str:
    "A name that any system takes for a folder; different names stay different."
    plain = re.sub(r"[^\w.\- ]", "-", name).strip(" .")[:60].strip(" .")
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", plain)
    if plain == name and not reserved: return name
    return f"{plain or 'panel'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _run_files(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("*.json") if p.stem.isdecimal()), key=lambda p: int(p.stem))


class Runs:
    """The records of a panel's runs, in memory and in a learner's copy on disk;
    `left_out` names the files that are none."""
    def __init__(self, name: str):   # of the panel
        copy = learner_folder()
        self.folder = copy and copy/"runs"/_folder_name(name)
        self.records, self.left_out, self._on_disk = [], [], set()
        with contextlib.suppress(OSError):   # a folder that may not be read counts as empty
            for file in _run_files(self.folder) if self.folder else []: self._read(file)

    def _read(self, file: Path):
        try:
            found = json.loads(file.read_text(encoding="utf-8-sig"))
            whole = found["run"] == int(file.stem) and _table_row(found)
        except Exception: whole = None   # cut off, or edited by hand
        if whole:
            self.records.append(found)
            self._on_disk.add(found["run"])
        else: self.left_out.append(file.name)

    def add(self, record: dict) -> dict:
        "Numbers the run and keeps it. Raises `CourseError` when it cannot be written; it is in memory then."
        record["run"] = max((r["run"] for r in self.records), default=0) + 1
        self.records.append(record)
        self.save(record)
        return record

    def save(self, record: dict):
        "Writes the record; a new one under a number that no other notebook has taken."
        if self.folder is None: return
        with locked(self.folder/".lock"):
            if record["run"] not in self._on_disk:
                others = [r["run"] for r in self.records if r is not record]
                on_disk = [int(p.stem) for p in _run_files(self.folder)]
                record["run"] = max([*others, *on_disk], default=0) + 1
            write_json(record, self.folder/f"{record['run']:03d}.json", default=str)
            self._on_disk.add(record["run"])

    def find(self, number: int) -> dict:
        "The record of this number. Raises `ValueError` if there is none."
        if not self.records: raise ValueError("there is no run yet: press Run first")
        return look_up(number, {r["run"]: r for r in self.records}, "there is no run")

    @property
    def pinned(self) -> list[dict]:
        "The records whose curves stay in the picture."
        return [r for r in self.records if r.get("pinned") is True]

    @property
    def frame(self):
        "A DataFrame, one row a run."
        import pandas as pd
        return pd.DataFrame(map(_table_row, self.records)).set_index("run") if self.records else pd.DataFrame()


def _table_row(record: dict) -> dict:
    def said(value): return f"{value:g}" if isinstance(value, float) else str(value)
    losses = [p["validation_loss"] for p in record["points"]]
    row = {"run": record["run"],
           "changed": ", ".join(f"{k} {said(v)}" for k, v in record["changed"].items()) or "nothing",
           "validation loss": losses[-1] if losses else None, "lowest": min(losses, default=None),
           record["metric"]: record["score"]}
    if record["old"]: row["old task's loss"] = record["old"][-1]["old_loss"]
    pinned = "yes" if record.get("pinned") is True else ""
    return row | {"seconds": record["seconds"], "ended": record["ended"], "pinned": pinned}
