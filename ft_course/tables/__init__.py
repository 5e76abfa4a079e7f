"Tables of texts and labels from files, frames, records, data sets and the Hub, with every value as it was written."
import csv
import io
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from ft_course.core import CourseError, did_you_mean, look_up

COMPRESSED = r"(\.(?:gz|bz2|xz))?"
SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation",
          "dev": "validation", "test": "test"}


def source_name(source) -> str:
    "What errors call the source: its path or Hub name, else its type."
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else f"the {type(source).__name__}"


def task_name(source) -> str:
    "The name of a source's task: that of the file without its endings, or of the Hub data set."
    if not isinstance(source, (str, os.PathLike)): return "yours"
    return re.sub(rf"(?i)({'|'.join(map(re.escape, FORMATS))}){COMPRESSED}$", "", Path(source).name)


# ---- splits of a source's own

def split_name(name, where: str) -> str:
    "train, validation or test. Raises `ValueError` for a name that is none of theirs."
    return look_up(str(name).strip().lower(), SPLITS, f"{where} has an unknown split",
                   ": rename it, or give only the splits that you want")


def split_sources(source, columns: list[str]) -> dict:   # split -> source; None -> the source when it has no splits
    """The parts of a `DatasetDict`, a dict of sources or a Hub data set. Raises `ValueError` for an unknown split,
    two of one kind, or none to train on."""
    where = source_name(source)
    if is_hub_id(source): source = _from_hub(source)
    if not isinstance(source, Mapping) or set(columns) <= set(source): return {None: source}
    parts = {split_name(name, where): part for name, part in source.items()}
    if "train" not in parts:
        raise ValueError(f"{where} has no split 'train' (it has {', '.join(map(str, source))}); "
                         "rename one of them, or pass one of them alone to have it dealt into splits")
    if len(parts) < len(source):
        raise ValueError(f"{where} has two splits of one kind ({', '.join(map(str, source))}); give one of each")
    return {name: parts[name] for name in ("train", "validation", "test") if name in parts}


def is_hub_id(source) -> bool:
    "Is it the name of a Hub data set, `owner/name`, and no file?"
    return (isinstance(source, str) and re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", source) is not None
            and _reader(source) is None and not Path(source).exists())


def _from_hub(name: str):
    "The Hub data set, or its cached copy. Raises `CourseError` at once when there is neither a network nor a copy."
    import datasets
    from ft_course.models import hub_answers
    offline = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = offline or not hub_answers(1)
    try: return datasets.load_dataset(name)
    except Exception as err:
        if datasets.config.HF_HUB_OFFLINE and isinstance(err, OSError):
            raise CourseError(f"The data set {name!r} is neither a file here nor in the local Hub cache, and the Hub cannot be "
                              "reached; give a file of your own, or load it once with a network.") from err
        raise ValueError(f"the Hub data set {name!r} could not be loaded ({' '.join(str(err).split())[:200]}); load the part "
                         "you need with datasets.load_dataset and pass the result") from err
    finally: datasets.config.HF_HUB_OFFLINE = offline


# ---- one source

def read_table(
    source,                   # a file, DataFrame, `datasets.Dataset`, dict of columns, or pairs or dicts
    columns: list[str],       # what is wanted of it: the text, the label, others
    encoding: str = "utf-8",  # of a text file
) -> pd.DataFrame:
    """The wanted columns, values as Python objects, None where one is missing. Raises `ValueError` when the source
    cannot be read, is empty, or has no such column."""
    where, table = source_name(source), _open(source, columns, encoding)
    names = [str(name) for name in table.columns]
    for column in columns if names else ():
        if names.count(column) > 1:
            raise ValueError(f"{where} has {names.count(column)} columns {column!r}; rename all but one")
        if column not in names:
            raise ValueError(f"{where} has no column {column!r}{did_you_mean(column, names)}; "
                             f"its columns are {', '.join(name[:30] for name in names)}")
    if not len(table): raise ValueError(f"{where} has no rows; it has to hold texts and labels")
    series = {column: table.iloc[:, names.index(column)] for column in columns}
    return pd.DataFrame({column: pd.Series(values.astype(object).where(values.notna(), None).tolist(), dtype=object)
                         for column, values in series.items()})


def _open(source, columns, encoding) -> pd.DataFrame:
    "The whole source as a table."
    where = source_name(source)
    if isinstance(source, pd.DataFrame): return source
    if isinstance(source, (str, os.PathLike)): return _open_file(Path(source).expanduser(), columns, encoding)
    if hasattr(source, "features") and hasattr(source, "to_dict"): return _from_dataset(source)
    if isinstance(source, Mapping): return _from_columns(source, columns, where)
    if not isinstance(source, Iterable) or isinstance(source, bytes) or hasattr(source, "features"):
        raise ValueError(f"{where} cannot be read; give a file, a DataFrame, a datasets.Dataset, or pairs of text and label")
    records = list(source)
    for i, record in enumerate(records):
        if isinstance(record, Mapping): continue
        if not isinstance(record, (tuple, list)) or len(record) != 2:
            raise ValueError(f"row {i} of {where} (counted from 0) is {str(record)[:40]!r}; "
                             "expected a pair (text, label) or a dict of columns")
        records[i] = dict(zip(columns, record))
    return pd.DataFrame(records, dtype=object)


def _from_columns(source, columns, where: str) -> pd.DataFrame:
    "A dict of columns, paired by position."
    if not set(columns) <= set(source):
        raise ValueError(f"{where} holds splits ({', '.join(map(str, source))}), which load_task takes; "
                         "give read_rows one of them")
    first, *others = [values for values in map(source.get, columns) if isinstance(values, pd.Series)] or [None]
    if any(not other.index.equals(first.index) for other in others):
        raise ValueError(f"the columns of {where} have different indexes, so it is unclear which text has which label; "
                         "pair them in one DataFrame, or give lists (.tolist()) to pair them by position")
    if len({len(source[name]) for name in columns}) > 1:
        raise ValueError(f"the columns of {where} differ in length ({', '.join(f'{c} {len(source[c])}' for c in columns)})")
    return pd.DataFrame({name: list(source[name]) for name in columns}, dtype=object)


def _from_dataset(dataset) -> pd.DataFrame:
    "A `datasets.Dataset`; numbered classes as their names, -1 (unlabelled) as missing."
    from datasets import ClassLabel
    columns = dataset.to_dict()
    for name, feature in dataset.features.items():
        if isinstance(feature, ClassLabel):
            columns[name] = [None if v is None or v < 0 else feature.int2str(v) for v in columns[name]]
    return pd.DataFrame(columns, dtype=object)


# ---- files

def _reader(path):
    "The function that reads files of this ending, or None."
    found = re.search(rf"(?i)(\.\w+?){COMPRESSED}$", str(path))
    return FORMATS.get(found[1].lower()) if found else None


def _open_file(path: Path, columns, encoding) -> pd.DataFrame:
    endings = ", ".join(FORMATS)
    if path.is_dir(): raise ValueError(f"{path} is a folder; give one file ({endings})")
    if not path.is_file(): raise ValueError(f"there is no file {path}; give the path of a file ({endings})")
    if not (reader := _reader(path)):
        raise ValueError(f"{path} ends in {path.suffix!r}; files that can be read end in {endings}, or one of them and .gz: "
                         "save a spreadsheet's sheet as 'CSV UTF-8'")
    return reader(path, columns, encoding)


def _read_text(path: Path, encoding: str) -> str:
    "The file's text, unpacked. Raises `ValueError` when it is empty or of another encoding."
    import fsspec
    try:
        with fsspec.open(str(path), "rb", compression="infer") as file: raw = file.read()
    except Exception as err:   # every packer has errors of its own
        raise ValueError(f"{path} cannot be unpacked or read ({err}); pack it again, or give it as it is") from err
    try: text = raw.decode(encoding).removeprefix("\ufeff")
    except LookupError as err: raise ValueError(f"encoding={encoding!r} is not known; 'utf-8', 'cp1252', 'utf-16' are") from err
    except UnicodeDecodeError as err:
        line = raw[:err.start].count(b"\n") + 1
        raise ValueError(f"line {line} of {path} is not {encoding.upper()} (byte 0x{raw[err.start]:02x}); pass its encoding=, "
                         "'cp1252' or 'utf-16' say, or save it as UTF-8 ('CSV UTF-8' in a spreadsheet program)") from err
    if "\0" in text:
        raise ValueError(f"{path} holds zero bytes, so it is UTF-16 or no text file; pass encoding='utf-16-le', "
                         "or save it as UTF-8")
    if not text.strip(): raise ValueError(f"{path} is empty; it has to hold texts and labels")
    return text


def _read_separated(path: Path, columns, encoding) -> pd.DataFrame:
    "A CSV or TSV file as a table of strings; only an empty field is missing."
    text = _read_text(path, encoding)
    if hint := re.match(r"sep=(.)(?=[\r\n])", text): text = text[hint.end():]   # a line that spreadsheet programs write
    plain, header = ".tsv" in path.name.lower(), re.split(r"[\r\n]", text.strip("\r\n"), maxsplit=1)[0]
    headers = {s: next(csv.reader([header], delimiter=s), []) for s in ",;\t|"}
    best = max(headers, key=lambda s: (sum(name.strip() in columns for name in headers[s]), len(headers[s])))
    separator = hint[1] if hint else "\t" if plain else best
    try: rows = _rows(text, path, separator, csv.QUOTE_MINIMAL)
    except ValueError:
        if not plain: raise
        rows = None
    if plain and (rows is None or not _quoted(text, rows)): rows = _rows(text, path, separator, csv.QUOTE_NONE)
    width = len(rows[0])
    table = [[field or None for field in row] + [None]*(width - len(row)) for row in rows[1:]]
    return pd.DataFrame(table, columns=[name.strip() for name in rows[0]], dtype=object)


def _rows(text: str, path: Path, separator: str, quoting: int) -> list[list[str]]:
    "The fields of each record, header first. Raises `ValueError` with the line's number."
    csv.field_size_limit(2**31 - 1)
    rows, line = [], 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting, strict=True)
    try:
        for row in reader:
            if rows and len(row) > len(rows[0]):
                raise ValueError(f"line {line} of {path} has {len(row)} fields and its header {len(rows[0])}; "
                                 f"a text that holds {separator!r} has to stand in double quotes")
            if rows and _swallowed(row, separator):
                raise ValueError(f"line {line} of {path} opens a double quote that is closed in line {reader.line_num}, and the "
                                 "lines between look like rows; write a quote inside a text twice, and the whole text in quotes")
            if row: rows.append(row)
            line = reader.line_num + 1
    except csv.Error as err:
        raise ValueError(f"line {line} of {path} cannot be read ({err}); a text that starts with a double "
                         "quote ends with one, and a double quote inside it is written twice") from err
    return rows


def _swallowed(row: list[str], separator: str) -> bool:
    "Are the lines of this record whole rows, with as many separators? Those of prose (`so, then`; `1,50`) do not count."
    prose, lines = r"(?<=\d){0}(?=\d)|{0}(?=\s|$)".format(re.escape(separator)), re.split(r"\r\n|\r|\n", separator.join(row))
    return sum(re.sub(prose, "", line).count(separator) == len(row) - 1 for line in lines) >= max(2, .8*len(lines))


def _quoted(text: str, rows: list[list[str]]) -> bool:
    "Is a TSV quoted throughout: as a program would write these rows, or all of a column?"
    written = io.StringIO(newline="")
    csv.writer(written, delimiter="\t", lineterminator="\n").writerows(rows)
    lines = [line.split("\t") for line in text.splitlines() if line]
    return (written.getvalue().split("\n") == [*filter(None, re.split(r"\r\n|\r|\n", text)), ""]
            or len(lines) != len(rows) or any(all(field.startswith('"') for field in column) for column in zip(*lines[1:])))


def _read_json(path: Path, columns, encoding) -> pd.DataFrame:
    "A JSON list of records, or one record a line."
    text, found = _read_text(path, encoding), []
    whole = text.lstrip().startswith("[")
    for number, piece in [(1, text)] if whole else enumerate(text.split("\n"), 1):
        if not piece.strip(): continue
        try: found.append(json.loads(piece))
        except json.JSONDecodeError as err:
            raise ValueError(f"line {number + err.lineno - 1} of {path} is not JSON ({err.msg}); mend or delete it") from err
    records = found[0] if whole else found
    if not all(isinstance(record, dict) for record in records):
        raise ValueError(f"{path} has to hold records, as a JSON list or one a line, such as "
                         + json.dumps(dict.fromkeys(columns, "...")))
    return pd.DataFrame(records, dtype=object)


def _read_parquet(path: Path, columns, encoding) -> pd.DataFrame:
    "A Parquet file; names of classes are read from its schema."
    import pyarrow
    from datasets import Dataset
    from datasets.table import InMemoryTable
    from pyarrow.parquet import read_table as read_parquet
    try: return _from_dataset(Dataset(InMemoryTable(read_parquet(path))))
    except (pyarrow.ArrowException, OSError) as err:
        raise ValueError(f"{path} cannot be read as a Parquet file ({str(err).splitlines()[0]}); "
                         "write it again, or give a CSV file") from err


FORMATS = {".csv": _read_separated, ".tsv": _read_separated, ".json": _read_json, ".jsonl": _read_json,
           ".ndjson": _read_json, ".parquet": _read_parquet}
