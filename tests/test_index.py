"The index of documents under faults, bad input, several processes and many passages; a folder's index."
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from ft_course.core import CourseError
from ft_course.retrieval import folder as folders
from ft_course.retrieval import index as indexes
from ft_course.retrieval.encoder import Encoder
from ft_course.retrieval.folder import folder_index, read_folder
from ft_course.retrieval.index import DocumentIndex
from ft_course.retrieval.passages import chunk
from ft_course.retrieval.ranking import HOW, reciprocal_rank_fusion


def hashed(texts) -> np.ndarray:
    "A quick stand-in for an encoder: counts of hashed words."
    made = np.zeros((len(texts), 64), np.float32)
    for row, text in zip(made, texts):
        for word in re.findall(r"\w+", text.lower()): row[zlib.crc32(word.encode()) % 64] += 1
    return made


def other(texts) -> np.ndarray: return -hashed(texts)


def small(folder, **settings) -> DocumentIndex:
    index = DocumentIndex(folder, model=hashed, **settings)
    index.add({"danube": "The Danube rises in the Black Forest. It ends in a delta.", "plant": "The plant cuts jobs. Unions are angry about it.",
               "braces": 'A dict {"a": 1} and {b} and "quotes" \' and {0!r:>{width}} %s \\n end.'})
    return index


def opened(folder) -> DocumentIndex: return DocumentIndex(folder, model=hashed)


def python(code: str, *args, **settings) -> subprocess.Popen:
    "A Python that runs the code, this file's folder among its modules."
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom test_index import *\n{code}"
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], stdout=subprocess.PIPE, text=True, **settings)


# what an index promises

def test_what_was_added_is_found_after_opening_again(tmp_path):
    small(tmp_path)
    index = opened(tmp_path)
    assert index.documents == ["danube", "plant", "braces"] and len(index) == 3 and "plant" in index
    for how in HOW:
        hit = index.search("the Danube in the Black Forest", 1, how)[0]
        assert hit.document == "danube" and hit.positions == (0, 1) and hit.passage.startswith("The Danube")
    assert "3 documents" in repr(index)


def test_a_document_added_again_is_replaced(tmp_path):
    index = small(tmp_path, size=7, overlap=0)
    assert len(index.passages("danube")) == 2
    index.add({"danube": "The Danube passes Vienna.", "it's new": "A quote in a name."})
    index.add({"it's new": "A quote in a name, replaced."})
    for each in (index, opened(tmp_path)):
        assert [p.text for p in each.passages("danube")] == ["The Danube passes Vienna."]
        assert each.documents == ["plant", "braces", "danube", "it's new"] and each.passages("it's new")[0].text.endswith("replaced.")
        assert all("Black Forest" not in hit.passage for hit in each.search("Black Forest Danube", 5))


def test_a_deleted_document_is_not_found(tmp_path):
    index = small(tmp_path)
    index.delete("danube")
    for each in (index, opened(tmp_path)):
        assert "danube" not in each and all(hit.document != "danube" for how in HOW for hit in each.search("the Danube delta", 5, how))
        with pytest.raises(ValueError, match="no document 'danube'"): each.passages("danube")
    with pytest.raises(ValueError, match="did you mean 'plant'"): index.delete("plnat")
    with pytest.raises(ValueError, match="no document 'danube'"): index.delete(["plant", "danube"])
    assert "plant" in opened(tmp_path)   # nothing of it was done
    index.delete(["plant", "braces"])
    assert index.search("anything") == [] and opened(tmp_path).documents == []
    index.add({"danube": "Back again."})
    assert opened(tmp_path).documents == ["danube"]


def test_compacting_removes_deleted_texts_from_the_disk(tmp_path):
    index = small(tmp_path)
    index.add({f"x{n}": f"Text number {n}." for n in range(50)})   # so many that the database would keep the file
    index.add({"danube": "The Danube passes Vienna."})
    index.delete("plant")
    def on_disk(): return b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"Unions" in on_disk() and b"Black Forest" in on_disk()
    (tmp_path/"passages.lance"/"data"/".tmp0").write_bytes(b"Unions")   # by a writer that was killed
    reader = opened(tmp_path)
    index.compact()
    assert b"Unions" not in on_disk() and b"Black Forest" not in on_disk() and b"Vienna" in on_disk()
    for each in (index, reader.refresh(), opened(tmp_path)):
        assert each.documents[0] == "braces" and each.documents[-1] == "danube" and each.search("Vienna")[0].document == "danube"
    index.delete(list(index.documents))
    index.compact()
    assert opened(tmp_path).documents == [] and b"Vienna" not in on_disk()


WRITER = """
index = DocumentIndex(sys.argv[1], model=hashed)
for number in range(10_000):
    index.add({f"d{number}-{i}": f"Document {number} {i}. " * 40 for i in range(3)} | {"same": f"This is version {number}. " * 90})
    print(number, flush=True)
    if number % 4 == 3: index.compact()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize("wait", [0, .11, .23, .37])
def test_killing_a_writer_loses_nothing_that_add_reported(tmp_path, wait):
    process = python(WRITER, tmp_path)
    reported = [process.stdout.readline()]   # the first one is in
    time.sleep(wait)
    process.send_signal(signal.SIGKILL)
    reported += process.stdout.readlines()
    process.wait()
    numbers = [int(line) for line in reported if line.endswith("\n")]
    index = opened(tmp_path)
    assert numbers and {f"d{n}-{i}" for n in numbers for i in range(3)} <= set(index.documents)
    versions = [re.findall(r"version (\d+)", p.text) for p in index.passages("same")]   # it is whole, the old or the new
    assert {int(n) for found in versions for n in found} <= {numbers[-1], numbers[-1] + 1} and len(set(sum(versions, []))) == 1
    assert [p.text for p in index.passages("same")] == [p.text for p in chunk(f"This is version {versions[0][0]}. " * 90)]
    assert index.search(f"Document {numbers[-1]} 2", 1)
    index.add({"after": "The next writer is not held up by what was left."})
    index.compact()
    assert "after" in opened(tmp_path) and not list(tmp_path.rglob(".tmp*"))


def test_a_first_add_that_was_killed_leaves_a_place_for_the_next(tmp_path):
    (tmp_path/"passages.lance"/"_versions").mkdir(parents=True)
    (tmp_path/"passages.lance"/"data").mkdir()
    assert opened(tmp_path).documents == [] and small(tmp_path).search("plant")


def test_several_processes_write_and_one_reads(tmp_path):
    reader, code = opened(tmp_path), "index = DocumentIndex(sys.argv[1], model=hashed)\nfor i in range(12): index.add({f'{sys.argv[2]}-{i}': f'number {i}', 'shared': sys.argv[2]})"
    writers = [python(code, tmp_path, n) for n in range(3)]
    while any(writer.poll() is None for writer in writers):
        assert all(hit.document for hit in reader.search("number", 3))
        time.sleep(.05)
    assert [writer.returncode for writer in writers] == [0]*3
    assert set(reader.refresh().documents) == {"shared", *(f"{n}-{i}" for n in range(3) for i in range(12))} == set(opened(tmp_path).documents)
    assert len(reader.passages("shared")) == 1 and len(reader) == 37


def test_opening_and_searching_while_another_process_compacts(tmp_path):
    index = opened(tmp_path)
    for n in range(3): index.add({f"d{n}-{i}": f"Document number {n}." for i in range(20)})
    writer = python("index = DocumentIndex(sys.argv[1], model=hashed)\nfor _ in range(15): index.compact()", tmp_path)
    while writer.poll() is None: assert len(opened(tmp_path).search("document number", 3)) == 3 == len(index.search("number", 3))
    assert writer.returncode == 0 and len(opened(tmp_path).documents) == 60


def test_threads_may_share_an_index(tmp_path):
    index, errors, done = small(tmp_path), [], threading.Event()
    def search():
        while not done.is_set():
            try:
                for hit in index.search("number 7 of the plant", 3): assert hit.document in hit.passage or hit.document in ("danube", "plant", "braces")
            except Exception as err: errors.append(err)
    threads = [threading.Thread(target=search) for _ in range(2)]
    for t in threads: t.start()
    for n in range(10): index.add({f"x{n}": f"number x{n} of them"})
    for n in range(5): index.delete(f"x{n}")
    index.compact(); done.set()
    for t in threads: t.join()
    assert errors == []


def test_a_writer_that_never_ends_is_named(tmp_path, monkeypatch):
    from filelock import FileLock
    index = small(tmp_path)
    monkeypatch.setattr(indexes, "WAIT", .2)
    with FileLock(tmp_path/".lock"), pytest.raises(CourseError, match="Another program has been writing"): index.add({"x": "Some text."})
    assert "x" not in index
    assert index.search("Danube")   # reading needs no lock


def test_a_full_disk_leaves_the_index_as_it_was(tmp_path):
    resource = pytest.importorskip("resource")
    index, (_, most) = small(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, most))   # no file may be longer: the system's answer is that of a full disk
    try:
        with pytest.raises(CourseError, match=f"Could not write {re.escape(str(tmp_path))}: the file would exceed .* size limit. Nothing was left half-written"):
            index.add({f"x{n}": f"Some text, number {n}. "*9 for n in range(200)})
    finally: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert index.documents == opened(tmp_path).documents == ["danube", "plant", "braces"]
    index.add({"x": "Some text."})
    assert "x" in opened(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    small(tmp_path/"index").folder.chmod(0o500)
    with pytest.raises(CourseError, match="may not be written to"): opened(tmp_path/"index").add({"x": "Some text."})


def test_an_index_of_another_model_is_refused(tmp_path, tiny):
    small(tmp_path/"a")
    with pytest.raises(CourseError, match=r"made with the model 'function test_index.hashed'.*cannot be compared"): DocumentIndex(tmp_path/"a", model=other)
    DocumentIndex(tmp_path/"b", model=tiny).add({"x": "Some text."})
    assert DocumentIndex(tmp_path/"b", model=tiny).search("text", how="dense")[0].document == "x"
    with pytest.raises(CourseError, match="weights differ"): DocumentIndex(tmp_path/"b", model=hashed)


def test_other_weights_under_the_same_name_are_refused(tmp_path, tiny):
    import torch
    from transformers import AutoModel
    model = shutil.copytree(tiny, tmp_path/"model")
    DocumentIndex(tmp_path/"index", model=str(model)).add({"x": "Some text."})
    network = AutoModel.from_pretrained(model)
    torch.manual_seed(1)
    for p in network.parameters(): p.data += .1*torch.randn_like(p)
    network.save_pretrained(model)
    with pytest.raises(CourseError, match="weights differ"): DocumentIndex(tmp_path/"index", model=str(model))
    moved = shutil.copytree(tiny, tmp_path/"elsewhere")
    Encoder(tiny).check(Encoder(str(moved)).about | {"dimensions": 32}, tmp_path)   # a name is not what matters


def test_functions_of_one_name_are_told_apart(tmp_path):
    class Turned:
        def __init__(self, sign): self.sign = sign
        def encode(self, texts): return self.sign*hashed(texts) + (self.sign < 0)
        __call__ = encode
    DocumentIndex(tmp_path/"a", model=Turned(1).encode).add({"a": "Apples are red."})
    assert DocumentIndex(tmp_path/"a", model=Turned(1).encode).search("apples")
    with pytest.raises(CourseError, match="cannot be compared"): DocumentIndex(tmp_path/"a", model=Turned(-1).encode)
    for i, model in enumerate((functools.partial(hashed), Turned(1))):
        DocumentIndex(tmp_path/str(i), model=model).add({"a": "Apples are red."})
        assert DocumentIndex(tmp_path/str(i), model=model).search("apples")[0].document == "a"


def test_models_that_misbehave(tmp_path):
    def short(texts): return np.ones((1, 4))
    def broken(texts): return np.full((len(texts), 4), np.nan)
    for model in (short, broken):
        with pytest.raises(ValueError, match="the model gave an array"): DocumentIndex(tmp_path, model=model).add({"x": "A text.", "y": "Another."})
    def growing(texts): return np.ones((len(texts), growing.dimensions))
    growing.dimensions = 4
    index = DocumentIndex(tmp_path, model=growing)
    index.add({"x": "A text."})
    growing.dimensions = 5
    for use in (lambda: index.add({"y": "Another."}), lambda: index.search("text"), lambda: index.document_scores(["text"])):
        with pytest.raises(CourseError, match="holds vectors of 4 numbers and the model now gives 5"): use()


def test_a_damaged_folder_is_said_in_one_sentence(tmp_path):
    small(tmp_path)
    files = [max(tmp_path.glob("passages.lance/data/*")), min(tmp_path.glob("passages.lance/_versions/*.manifest"))]
    for file in files:
        whole = file.read_bytes()
        for damaged in (whole[:len(whole)//2], b"", b"x"*len(whole)):
            file.write_bytes(damaged)
            with pytest.raises(CourseError, match=f"^{re.escape(str(tmp_path))} is damaged .*; restore it, or delete it and add its documents again.$"): opened(tmp_path)
        file.write_bytes(whole)
    assert opened(tmp_path).documents == ["danube", "plant", "braces"]
    files[0].unlink()
    with pytest.raises(CourseError, match="is damaged"): opened(tmp_path)


def test_an_open_index_sees_that_another_was_made_in_its_place(tmp_path):
    writer = opened(tmp_path/"index")
    writer.add({"old": "The secret is banana."})
    reader = opened(tmp_path/"index")
    writer.delete("old"); writer.compact(); writer.add({"new": "The Danube rises."})
    assert reader.refresh().documents == ["new"] and "banana" not in str(reader.search("secret"))
    shutil.rmtree(tmp_path/"index")
    small(tmp_path/"index").delete(["braces", "plant"])
    assert reader.refresh().documents == ["danube"]


@pytest.mark.slow
def test_many_small_additions_are_joined(tmp_path):
    index = opened(tmp_path)
    for n in range(105): index.add({f"d{n}": f"number {n}"})
    assert index.documents == [f"d{n}" for n in range(105)] == opened(tmp_path).documents
    import lancedb
    assert lancedb.connect(tmp_path).open_table("passages").stats()["fragment_stats"]["num_fragments"] < 20


def test_any_text_and_any_name_come_back_whole(tmp_path):
    odd = {"a/b c": "Line one\n\nLine two {with} \"quotes\".", "ünïcode\u2028name": "Zeile mit \u2028 Trenner und \x1f Zeichen. Ende 🎈.",
           "html": "<script>alert('x')</script> & more.", "../escape": "A name is no path.", "it's": "a", "a'\\'b": "b", "') OR ('1'='1": "c", "%": "d", "--": "e", "null\0": "f"}
    DocumentIndex(tmp_path/"index", model=hashed).add(odd)
    index = opened(tmp_path/"index")
    assert index.documents == list(odd) and all(index.passages(n) == chunk(t) for n, t in odd.items())
    assert [p.name for p in tmp_path.iterdir()] == ["index"]
    for name in odd: index.delete(name)
    assert index.documents == []


def test_the_database_is_loaded_when_an_index_is_opened():
    code = "import ft_course.rag; sys.exit('lancedb' in sys.modules)"
    assert python(code).wait() == 0


# bad input

@pytest.mark.parametrize("query", ["", "  \n", None, 7, ["a"]])
def test_an_empty_query_is_refused(tmp_path, query):
    with pytest.raises(ValueError, match="query"): opened(tmp_path).search(query)


def test_bad_arguments_of_a_search(tmp_path):
    index = small(tmp_path)
    with pytest.raises(ValueError, match="did you mean 'lexical'"): index.search("x", how="lexcal")
    for k in (0, -1, 1.5, True, "3"):
        with pytest.raises(ValueError, match="at least one hit"): index.search("x", k)
    assert len(index.search("Danube", 99)) == 3
    assert index.search("zzz qqq", how="lexical") == [] and index.search("?!", how="lexical") == []
    assert len(index.search("?!", how="dense")) == 3
    with pytest.raises(ValueError, match="weight=2"): DocumentIndex(tmp_path, model=hashed, weight=2)


@pytest.mark.parametrize("documents, message", [
    (["a text"], "come as a dict"), ({"": "text"}, "not empty"), ({3: "text"}, "not empty"), ({"x": ""}, "'x' holds no text"),
    ({"x": None}, "'x' holds no text"), ({"a": "fine", "b": " \n"}, "'b' holds no text"), ({"b": "bad \ud800 text."}, "half a character")])
def test_bad_documents(tmp_path, documents, message):
    index = opened(tmp_path)
    with pytest.raises(ValueError, match=message): index.add(documents)
    assert index.documents == [] and index.add({}) == 0 and not list(tmp_path.iterdir())


def test_scores_of_an_empty_index(tmp_path):
    index = opened(tmp_path)
    assert {kind: matrix.shape for kind, matrix in index.document_scores(["x", "y"]).items()} == {"lexical": (2, 0), "dense": (2, 0), "first": (2, 0)}
    index.add({"a": "Some text."})
    assert index.document_scores([])["dense"].shape == (0, 1)
    with pytest.raises(ValueError, match="identifier, or several"): index.delete(None)


# many passages

MANY = """
import lancedb, resource, ft_course.embeddings
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*1024
before, began = peak(), time.perf_counter()
index = DocumentIndex(sys.argv[1], model=drawn)
found = {"opening": time.perf_counter() - began, "passages": len(index)}
index.search("word5 text")   # the statistics of the words are made once
for how in HOW:
    seconds = []
    for i in range(9):
        began = time.perf_counter()
        assert len(index.search(f"word{i} text", how=how)) == 5
        seconds.append(time.perf_counter() - began)
    found[how] = float(np.median(seconds))
print(json.dumps(found | {"memory": peak() - before}))
"""


def drawn(texts): return np.random.default_rng(len(texts)).normal(size=(len(texts), 384)).astype(np.float32)


def test_100_000_passages(tmp_path):
    index = DocumentIndex(tmp_path, model=drawn)
    for start in range(0, 100_000, 20_000): index.add({f"d{i}": f"word{i % 977} text" for i in range(start, start + 20_000)})
    index.add({f"d{i}": f"word{i % 977} text" for i in range(500)})
    found = json.loads(python(MANY, tmp_path).communicate()[0])
    assert found["passages"] == 100_000 and found["opening"] < 5 and max(found[how] for how in HOW) < .05, found
    assert found["memory"] < 3*100_000*384*4, found   # three times the vectors, with the statistics of the words


def test_exact_search_is_exact():
    from ft_course.embeddings import top_k
    vectors = drawn([""]*20_000)
    for i in range(5): assert top_k(vectors @ vectors[i], 10).tolist() == np.argsort(-(vectors @ vectors[i]), kind="stable")[:10].tolist()


# ranking

def test_fusion_by_hand():
    fused = reciprocal_rank_fusion([["a", "b"], ["b", "c"]], weights=(1, 2), constant=10)
    assert fused == pytest.approx({"b": 1/12 + 2/11, "c": 2/12, "a": 1/11}) and list(fused) == ["b", "c", "a"]
    assert reciprocal_rank_fusion([["a", "b", "a"]]) == {"a": 1/61, "b": 1/62}
    assert reciprocal_rank_fusion([["a"], ["b"]], np.array([.5, .5]))["a"] == .5/61
    for wrong in ({"weights": (1, 2, 3)}, {"weights": [1]}, {"weights": []}, {"constant": -1}):
        with pytest.raises(ValueError, match="one weight a ranking"): reciprocal_rank_fusion([["a"], ["b"]], **wrong)


def test_hybrid_is_the_fusion_of_the_two(tmp_path):
    index = small(tmp_path, weight=.7, constant=3)
    query = "angry unions in the Black Forest"
    lists = [[h.document for h in index.search(query, 9, how, per_document=True)] for how in ("lexical", "dense")]
    wanted = reciprocal_rank_fusion(lists, (.3, .7), 3)
    assert {h.document: h.score for h in index.search(query, 9, per_document=True)} == pytest.approx(wanted)
    hit = index.search(query, 1)[0]
    assert hit.lexical > 0 and -1 <= hit.dense <= 1.0001


def test_one_passage_a_document(tmp_path):
    index = DocumentIndex(tmp_path, model=hashed, size=4, overlap=0)
    index.add({"a": "Apples are red. Apples are green. Apples are sweet.", "b": "Pears are green."})
    assert [h.document for h in index.search("apples", 3)][:2] == ["a", "a"]
    assert [h.document for h in index.search("apples", 3, per_document=True)] == ["a", "b"]


def test_document_scores_are_those_of_the_best_passage(tmp_path):
    index = DocumentIndex(tmp_path, model=hashed, size=4, overlap=0)
    index.add({"a": "Apples are red. Pears are green. Plums are blue.", "b": "Pears are yellow."})
    queries = ["green pears", "blue plums"]
    scores = index.document_scores(queries)
    for q, row in zip(queries, scores["dense"]):
        best = {}
        for h in index.search(q, 9, "dense"): best[h.document] = max(best.get(h.document, -9), h.dense)
        assert row == pytest.approx([best["a"], best["b"]], abs=1e-6)
    assert scores["lexical"].shape == (2, 2) and scores["lexical"][1, 1] == 0
    firsts = [next(h.dense for h in index.search(queries[0], 9, "dense") if h.document == d and h.positions == (0,)) for d in "ab"]
    assert scores["first"][0] == pytest.approx(firsts, abs=1e-6)
    led = DocumentIndex(tmp_path, model=hashed, lead=1).search(queries[0], 2, "dense", per_document=True)
    assert {h.document: h.score for h in led} == pytest.approx(dict(zip("ab", scores["dense"][0] + scores["first"][0])), abs=1e-5)


def test_reranking(tmp_path):
    index = small(tmp_path)
    def longest(query, passages): return [len(p) for p in passages]
    assert index.search("the Danube", 1, rerank=longest)[0].document == "braces"
    with pytest.raises(ValueError, match="scores of shape"): index.search("the Danube", rerank=lambda q, ps: [1])


# any script

FILES = {   # three documents of 24 times the same sentence, a question that the second answers, and how many passages each makes
    "Russian": (["Река начинается высоко в горах и медленно течёт к тёплому морю. ", "Завод закрывает цех и увольняет четыреста рабочих до конца года. ",
                 "Повар режет лук и варит густой суп для своих гостей. "], "Сколько рабочих увольняет завод?", [6, 6, 4]),
    "Greek": (["Ο ποταμός αρχίζει ψηλά στα βουνά και κυλά αργά προς τη θάλασσα. ", "Το εργοστάσιο κλείνει και απολύει τετρακόσιους εργάτες πριν από το καλοκαίρι. ",
               "Ο μάγειρας κόβει κρεμμύδια και βράζει μια σούπα για τους φίλους. "], "Πόσους εργάτες απολύει το εργοστάσιο;", [5, 8, 5]),
    "Spanish": (["El río nace en las montañas y baja despacio hasta el océano. ", "La fábrica cierra un taller y despide a cuatrocientos obreros este año. ",
                 "El cocinero corta la cebolla y prepara una sopa para los invitados. "], "¿A cuántos obreros despide la fábrica?", [3, 3, 3]),
    "Chinese": (["这条河从高山上流下来，慢慢流进温暖的大海。", "这家工厂关闭车间，年底以前裁减四百名工人。", "厨师切洋葱，为客人煮一锅浓汤。"], "工厂裁减多少工人？", [6, 6, 4]),
    "Hindi": (["नदी ऊँचे पहाड़ों से निकलकर धीरे धीरे समुद्र की ओर बहती है। ", "कारखाना अपना विभाग बंद करके चार सौ मज़दूरों को निकालता है। ",
               "रसोइया प्याज़ काटकर मेहमानों के लिए गाढ़ा सूप बनाता है। "], "कारखाना कितने मज़दूरों को निकालता है?", [4, 4, 3]),
    "Thai": (["แม่น้ำไหลจากภูเขาสูงลงสู่ทะเลอย่างช้าช้า ", "โรงงานปิดแผนกและเลิกจ้างคนงานสี่ร้อยคน ", "พ่อครัวหั่นหัวหอมและต้มซุปให้แขก "], "โรงงานเลิกจ้างคนงานกี่คน", [8, 8, 6])}


@pytest.mark.slow
@pytest.mark.parametrize("language", FILES)
def test_documents_in_any_script(tmp_path, language):
    from ft_course.models import load_tokenizer
    said, question, numbers = FILES[language]
    index, tokenizer = DocumentIndex(tmp_path, overlap=0), load_tokenizer("minilm")
    index.add({name: sentence*24 for name, sentence in zip(("river", "factory", "kitchen"), said)})
    assert [len(index.passages(name)) for name in index.documents] == numbers
    assert max(len(ids) for name in index.documents for ids in tokenizer([p.text for p in index.passages(name)])["input_ids"]) <= 256
    if language != "Thai":   # it has no marks between sentences, so its documents are a sentence each, cut between letters
        for name, sentence in zip(index.documents, said): assert {line for p in index.passages(name) for line in p.text.split("\n")} == {sentence.strip()}
    for how in HOW if language in ("Russian", "Greek", "Spanish") else ("lexical",):   # MiniLM knows few letters of the others
        assert index.search(question, 1, how)[0].document == "factory", how
        assert index.search(question, 1, how, per_document=True)[0].document == "factory", how


def test_words_of_any_script():
    from ft_course.retrieval.ranking import query_words
    assert query_words(["The mill's 400 workers, x", "Завод, цех!", "नदी पहाड़ों से।", "工厂 A4", "ไป", "cafe\u0301"]) == [
        ["mill", "400", "workers"], ["завод", "цех"], ["नदी", "पहाड़ों", "से"], ["工", "厂", "a4"], ["ไ", "ป"], ["café"]]


# a folder of one's own

def test_folder_index_follows_the_folder(tmp_path):
    notes = tmp_path/"notes"
    (notes/"deep").mkdir(parents=True)
    (notes/"a.txt").write_text("The printer takes A3.", encoding="utf-8")
    (notes/"deep"/"b.md").write_text("\ufeffToner is in room 214.", encoding="utf-8")
    (notes/"c.csv").write_text("not read", encoding="utf-8")
    (notes/"empty.txt").write_text(" ", encoding="utf-8")
    def now(): return folder_index(notes, kept_in=tmp_path/"index", model=hashed)
    assert sorted(now().documents) == ["a.txt", "deep/b.md"]
    (notes/"a.txt").write_text("The printer takes A4 only.", encoding="utf-8")
    (notes/"deep"/"b.md").unlink()
    (notes/"d.txt").write_text("New.", encoding="utf-8")
    index = now()
    assert sorted(index.documents) == ["a.txt", "d.txt"] and index.passages("a.txt")[0].text.endswith("A4 only.")
    before = sorted((tmp_path/"index").rglob("*"))
    now()
    assert sorted((tmp_path/"index").rglob("*")) == before   # nothing new, nothing written


def test_a_folder_that_lost_all_its_files_keeps_no_text(tmp_path):
    notes = tmp_path/"notes"
    notes.mkdir()
    (notes/"a.txt").write_text("The secret is banana.", encoding="utf-8")
    index = folder_index(notes, kept_in=tmp_path/"index", model=hashed)
    (notes/"a.txt").unlink()
    with pytest.raises(ValueError, match="holds no text"): folder_index(notes, kept_in=tmp_path/"index", model=hashed)
    assert index.refresh().documents == [] and not [p for p in (tmp_path/"index").rglob("*") if p.is_file() and b"banana" in p.read_bytes()]


def test_an_index_of_something_else_is_left_alone(tmp_path):
    notes = tmp_path/"notes"
    notes.mkdir()
    (notes/"a.txt").write_text("Some text.", encoding="utf-8")
    opened(tmp_path/"mine").add({"mine": "My own document."})
    with pytest.raises(ValueError, match="index of something else"): folder_index(notes, kept_in=tmp_path/"mine", model=hashed)
    assert opened(tmp_path/"mine").documents == ["mine"]


def test_an_index_finds_a_place_where_the_cache_may_not_be_written_to(tmp_path, monkeypatch):
    (tmp_path/"home").write_text("a file stands where the cache should be")
    monkeypatch.setenv("FT_COURSE_HOME", str(tmp_path/"home"))
    (tmp_path/"notes").mkdir()
    (tmp_path/"notes"/"a.txt").write_text("The printer takes A3.", encoding="utf-8")
    index = folders.folder_index(tmp_path/"notes", model=hashed)
    assert index.search("printer")[0].document == "a.txt" and tmp_path not in index.folder.parents


def test_folders_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="is no folder"): read_folder(tmp_path/"none")
    assert read_folder(tmp_path) == {}
    (tmp_path/"x.txt").write_bytes(b"caf\xe9 society")
    with pytest.raises(ValueError, match=r"x.txt is not UTF-8 \(byte 3\)"): read_folder(tmp_path)


def test_files_that_are_not_for_reading(tmp_path):
    (tmp_path/"a.TXT").write_text("Some text.", encoding="utf-8")
    for hidden in (".ipynb_checkpoints", ".git"):
        (tmp_path/hidden).mkdir()
        (tmp_path/hidden/"a.txt").write_text("A copy.", encoding="utf-8")
    (tmp_path/"without").write_bytes(b"\xff\x00")
    assert read_folder(tmp_path) == {"a.TXT": "Some text."}
