"The stored tables: whole, fresh, with the figures they always had; and the probes of what made them."
import json
from pathlib import Path

import pytest

from ft_course.core.records import describe, differences, own_code
from ft_course.results import STORE, Part, make, parts_of, stored, table, table_names
from tools.probes import changed, check_probe, kinds, read_record

BEFORE = json.loads((Path(__file__).parent/"data"/"tables-0.4.0.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", table_names())
def test_table_is_stored_whole_and_fresh(name):
    found = stored(name)
    assert not found.stale, f"make results TABLE={name}: {found.stale}"
    for part in parts_of(name):
        ids = list(part.task.data["test"]["id"])
        for row, estimator in part.rows.items():
            lucky = estimator.get_params().get("random_state") is not None   # others give the same with any seed
            runs = [r for r in found.records[row] if r["inputs"]["task"] == part.task.name]
            assert [r["seed"] for r in runs] == list(part.seeds if lucky else part.seeds[:1]), row
            assert all(r["ids"] == ids for r in runs), row


@pytest.mark.parametrize("name", [n for n in table_names() if n != "search"])   # its record holds trials
def test_table_can_be_shown(name):
    found = stored(name)
    shown = found.table(against=next(iter(found.records)))
    assert list(shown.index) == list(found.records) and not shown.isna().any().any()


TUNED = {"fine-tuned"}   # rows made anew since: the head of fine-tuned networks starts from a probe
ANEW = {"airline": TUNED, "headlines": TUNED, "airline_alternatives": TUNED, "headlines_alternatives": TUNED,
        **{f"choosing {task} fine-tuned": {f"fine-tuned: rate 0.0001, head {n} times" for n in (1, 10)} for task in ("airline", "headlines")}}
# ends of an accuracy's interval that lay outside of 0 to 1
INSIDE = {"0.3163 [-0.0320, 0.6570]": "0.3163 [0.0000, 0.6570]", "0.4753 [-0.1032, 1.0408]": "0.4753 [0.0000, 1.0000]"}
CHANGED = {("headlines_prompts", "question after, 0 examples"): "cannot tell"}   # verdicts, since the intervals of macro-F1 cover


@pytest.mark.parametrize("name", [n for n, v in BEFORE.items() if n.startswith("choosing ") or (isinstance(v, dict) and "against" in v)])
def test_figures_are_those_of_the_version_before(name):
    if name.startswith("choosing "): found = stored(f"{name.split()[1]}_choosing")
    elif name.endswith("_alternatives"):
        task = name.removesuffix("_alternatives")
        found = stored(task) | stored(f"{task}_prompted") | stored(f"{task}_frozen")
    elif name == "airline_layers": found = stored(name).rename({"random weights": "6 layers, random"})
    else: found = stored(name)
    rows = {row: figures for row, figures in BEFORE[name]["rows"].items() if row not in ANEW.get(name, ())}
    for row, figures in rows.items():
        if isinstance(figures, str): figures = {"loss" if "writing" in name else found.task.metric: figures}
        for metric, figure in figures.items():
            now = len(found.records[row]) if metric == "runs" else f"{found.interval(row, metric):.4f}"
            if metric == "macro_f1": now, figure = now.split()[0], figure.split()[0]   # no mean: its intervals are others now
            assert now == INSIDE.get(figure, figure), (row, metric)
    if BEFORE[name].get("against") in rows:
        verdicts = BEFORE[name]["verdicts"] | {row: v for (table, row), v in CHANGED.items() if table == name}
        assert found.only(*rows).verdicts(BEFORE[name]["against"]) == {row: v for row, v in verdicts.items() if row in rows}


@pytest.mark.parametrize("task", ["airline", "headlines", "headline_writing"])
def test_the_settings_are_those_that_validation_chose(task):
    from ft_course.why_fine_tune import CHOSEN, candidates
    runs, best = stored(f"{task}_choosing"), {}
    sign, metric = (-1, "loss") if task == "headline_writing" else (1, None)
    for row, settings in candidates(task).items():
        found = {n: sign*runs.interval(f"{row}: {n}", metric).value for n in settings if f"{row}: {n}" in runs.records}
        best[row] = max(found, key=found.get) if found else next(iter(settings))
    before = BEFORE[f"winners {task}"] | ({"fine-tuned": best["fine-tuned"]} if task in ANEW else {})
    assert best == CHOSEN[task] == before


@pytest.mark.parametrize("task", ["headlines", "airline"])
def test_the_best_prompt_is_the_one_that_validation_chose(task):
    from ft_course.prompting import BEST_PROMPT
    tried = stored(f"{task}_prompts")
    assert max(tried.records, key=lambda row: tried.interval(row).value) == BEST_PROMPT[task]


@pytest.mark.parametrize("task, prompts", [("headlines", 8), ("airline", 6)])
def test_the_larger_models_prompts_are_those_that_validation_chose(task, prompts):
    from ft_course.prompting import BEST_LARGER
    tried, best = stored(f"{task}_prompts_larger"), {}
    for row in tried.records:
        model, name = row.split(", ", 1)
        best.setdefault(model, {})[name] = tried.interval(row).value
    assert {model: max(scores, key=scores.get) for model, scores in best.items()} == BEST_LARGER[task]
    assert all(len(scores) == prompts for scores in best.values()) and len(tried.references) >= 100


@pytest.mark.slow
def test_rows_on_fewer_items_are_the_same_answers_to_those_items():
    from ft_course.results import fewer, on_items
    whole = stored("headlines")
    some = on_items(whole, fewer(whole.task, "some", test=250))
    assert some.references.tolist() == whole.references[:250].tolist() and set(some.records) == set(whole.records)
    assert (some.predictions("fine-tuned") == whole.predictions("fine-tuned")[:, :250]).all()
    assert some.records["fine-tuned"][0]["answer_seconds"] == whole.records["fine-tuned"][0]["answer_seconds"]/2
    assert some.interval("fine-tuned", "accuracy").value == pytest.approx((whole.predictions("fine-tuned") == whole.references)[:, :250].mean())
    answers = stored("answers")   # scores an item, and no predictions
    few = on_items(answers, answers.task.head(test=10))
    assert (few.scores("narrowed", "token_f1") == answers.scores("narrowed", "token_f1")[:, :10]).all()
    with pytest.raises(ValueError, match="has no answer to the item"): on_items(some, whole.task)


@pytest.mark.slow
def test_a_larger_model_is_probed_by_the_small_one():
    from ft_course.embeddings import EmbeddingClassifier
    from ft_course.prompting import PromptClassifier
    from tools.probes import kind
    for model in ("qwen-0.5b", "qwen-1.5b"): assert kind(PromptClassifier("?", model, 5)) == kind(PromptClassifier("?", n_examples=5))
    assert kind(EmbeddingClassifier("mpnet")) == kind(EmbeddingClassifier()) != kind(EmbeddingClassifier("smollm2"))
    assert not any("qwen" in key or "mpnet" in key for key in kinds())
    of_prompts = {table for key, about in kinds().items() if key.startswith("PromptClassifier") for table in about["tables"]}
    assert {"headlines_prompted", *(f"{task}_{what}" for task in ("headlines", "airline") for what in ("larger", "prompts_larger"))} <= of_prompts   # all made anew when the code behaves otherwise


def test_the_search_is_the_one_of_the_version_before():
    from ft_course.hyperparameters import search_trials
    assert search_trials() == BEFORE["search"]["trials"]


@pytest.mark.parametrize("key", sorted(read_record(STORE/"probes.json")))
def test_probe(key):
    "A few steps of every kind of stored row: what the code does is what it did when the rows were made."
    found = check_probe(key)
    assert not found, f"the tables {', '.join(kinds()[key]['tables'])} were made by code that behaved otherwise: {found[:5]}"


def test_every_kind_has_a_probe_and_no_probe_is_left_over():
    assert set(read_record(STORE/"probes.json")) == set(kinds()) and len(kinds()) <= 40


def test_no_record_is_left_over():
    from ft_course.evaluation import record_files
    wanted = {Path(f) for name in table_names() for p in parts_of(name) for f in record_files(p.rows, p.task, p.seeds, STORE)}
    assert {p for p in Path(str(STORE)).rglob("*.json") if p.name not in ("probes.json", "coverage.json")} == wanted


def test_inputs_say_what_differs():
    from ft_course.estimators import FineTunedClassifier
    from ft_course.training import Full, HParams, LastLayers
    a, b = (describe(FineTunedClassifier("minilm", hparams=HParams(learning_rate=r))) for r in (1e-4, 2e-4))
    assert differences(a, b) == ["learning_rate 0.0001, now 0.0002"] and differences(a, a) == []
    c = describe(FineTunedClassifier("minilm", LastLayers(2)))
    assert differences(describe(FineTunedClassifier()), c) == ["method Full(), now LastLayers(k=2)"]
    assert differences(describe(Full(2.)), describe(Full(3))) == ["head_rate 2, now 3"]


def test_a_new_setting_with_its_default_leaves_records_fresh_and_another_value_does_not():
    from ft_course.training import HParams
    now = describe(HParams())
    before = {**now, "defaults": {k: v for k, v in now["defaults"].items() if k != "warmup_steps"}}
    assert differences(before, now) == [] == differences(now, before)
    assert differences(before, describe(HParams(warmup_steps=.2))) == ["warmup_steps null, now 0.2"]


def test_changed_defaults_are_noticed():
    from ft_course.training import HParams
    now = describe(HParams())
    before = {**now, "defaults": {**now["defaults"], "max_length": 64}}
    assert differences(before, now) == ["max_length 64, now 128"]


def test_own_code_is_named_and_not_compared():
    from sklearn.preprocessing import FunctionTransformer
    described = describe(FunctionTransformer(lambda x: x))
    assert any("test_own_code" in name for name in own_code(described))
    from sklearn.feature_extraction.text import TfidfVectorizer
    assert own_code(describe(TfidfVectorizer())) == []


def test_peft_configs_are_readable_and_the_same_each_time():
    from peft import LoraConfig
    a, b = (describe(LoraConfig(r=4, target_modules=["query", "value"])) for _ in range(2))
    assert a == b and a["set"]["r"] == 4 and json.loads(json.dumps(a)) == a
    assert differences(a, describe(LoraConfig(r=8, target_modules=["query", "value"]))) == ["r 4, now 8"]


def test_probe_differences_are_exact_where_they_have_to_be():
    assert changed({"losses": [1., 2.]}, {"losses": [1.0005, 2.]}) == []
    assert changed({"losses": [1., 2.]}, {"losses": [1.01, 2.]}) == ["losses[0] 1.0, now 1.01"]
    assert changed({"rates": [[1e-4]]}, {"rates": [[1.0001e-4]]}) and changed({"groups": [{"betas": [.9, .999]}]}, {"groups": [{"betas": [.9, .99]}]})


def test_a_table_is_made_once_and_only_what_changed_again(tmp_path, monkeypatch, tiny):
    from sklearn.dummy import DummyClassifier
    from ft_course import results
    from ft_course.data import EXAMPLE_CSV, load_task
    monkeypatch.setattr(results, "STORE", tmp_path)
    rows = {"majority": DummyClassifier(), "stratified": DummyClassifier(strategy="stratified", random_state=0)}
    table("made up", seeds=(0, 1))(lambda: (load_task(EXAMPLE_CSV), rows))
    first = make("made up")
    assert [len(runs) for runs in first.records.values()] == [1, 2] and not stored("made up").stale
    dates = {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*.json")}
    make("made up")
    assert {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*.json")} == dates
    rows["stratified"] = DummyClassifier(strategy="uniform", random_state=0)
    assert stored("made up").stale == {"stratified": ['strategy "stratified", now "uniform"']}
    make("made up")
    assert not stored("made up").stale and sum(f.stat().st_mtime_ns != t for f, t in dates.items()) == 2
    assert isinstance(parts_of("made up")[0], Part)


def test_a_probe_stays_with_the_row_it_was_made_of(monkeypatch):
    "A table that a chapter puts before the others must not make a kind's probe another row's."
    from tools import probes
    monkeypatch.setattr(probes, "kinds", lambda: {"kind": {"rows": {"new of first": ("new",), "known of second": ("known",)}}})
    monkeypatch.setattr(probes, "run", lambda of: of)
    for kept, wanted in (({}, "new"), ({"kind": {"row": "known of second"}}, "known"), ({"kind": {"row": "gone of second"}}, "new")):
        monkeypatch.setattr(probes, "read_record", lambda file: kept)
        assert probes._values.__wrapped__("kind")["found"] == wanted


def test_a_changed_probe_makes_all_tables_anew_that_lost_rows(monkeypatch):
    from types import SimpleNamespace
    from tools import probes
    made = []
    monkeypatch.setattr(probes, "discard_changed", lambda name: {"a kind": ["airline", "airline_knobs"]} if name == "airline" else {})
    monkeypatch.setattr(probes, "make", lambda name: made.append(name) or SimpleNamespace(metrics=list, records=[]))
    probes.make_results(["airline"])
    assert made == ["airline", "airline_knobs"]


def test_an_unknown_table_is_named():
    with pytest.raises(ValueError, match="no stored table 'airlin'.*did you mean 'airline'"): stored("airlin")
