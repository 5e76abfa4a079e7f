"An index of documents: kept in an embedded database (LanceDB), searched in memory by words, by meaning, or by both."
import contextlib, json, threading, time, uuid, warnings
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from ft_course.core import CourseError, did_you_mean, one_writer
from ft_course.retrieval.encoder import Encoder
from ft_course.retrieval.passages import Passage, check_documents, check_names, chunk
from ft_course.retrieval.ranking import Collection, Hit, Ranking, check_search

WAIT = 20   # seconds to wait for another writer


def _among(names) -> str: return f"""document IN ({", ".join("'" + name.replace("'", "''") + "'" for name in names)})"""


class DocumentIndex:
    """Passages of documents in a folder on disk, found by their words, by their meaning, or by both.
    Raises `CourseError` when the folder was written with another model, or is damaged."""
    def __init__(self,
        folder,
        model="minilm",     # alias, folder or Hub id of an encoder, or a function texts -> vectors
        size: int = 100,    # words in a passage, of documents that are added from now on; never more than the model reads
        overlap: int = 1,   # sentences that a passage shares with the one before
        **ranking,          # k1, b, weight, constant, lead: as of `Ranking`
    ):
        chunk("", size, overlap)
        self.folder, self.encoder = Path(folder).expanduser().resolve(), Encoder(model)
        self.size, self.overlap, self.ranking = size, overlap, Ranking(**ranking)
        self._one, self._held, self._stamp = threading.RLock(), None, None   # threads that share it take turns
        self.refresh()

    def _table(self, dimensions: int | None = None):
        "The table as it stands; where there is none, it is made when its `dimensions` are given."
        import lancedb
        if not any(self.folder.glob("passages.lance/_versions/*.manifest")):
            if dimensions is None: return None
            about = {"made": uuid.uuid4().hex, "model": json.dumps(self.encoder.about | {"dimensions": dimensions})}
            fields = {"document": pa.string(), "start": pa.int32(), "stop": pa.int32(), "text": pa.string(),
                      "number": pa.int64(), "vector": pa.list_(pa.float32(), dimensions)}
            lancedb.connect(self.folder).create_table("passages", schema=pa.schema(fields, about))
        table = lancedb.connect(self.folder).open_table("passages")
        self.encoder.check(json.loads(table.schema.metadata[b"model"]), self.folder)
        return table

    def refresh(self) -> "DocumentIndex":
        "Reads what was written to the folder since; a search does this by itself."
        with self._one:
            for left in reversed(range(5)):   # another process may remove what is being read: read again
                try:
                    table = self._table()
                    stamp = table is not None and (table.version, table.schema.metadata[b"made"])
                    if self._held is None or self._stamp != stamp: self._held, self._stamp = Collection(table), stamp
                    return self
                except (OSError, RuntimeError, ValueError, TypeError, KeyError) as err:
                    if not left: raise CourseError(f"{self.folder} is damaged ({str(err).splitlines()[0]}); restore it, or "
                                                   "delete it and add its documents again.") from err
                    time.sleep(.05)

    def _now(self) -> Collection:
        with self._one: return self._held or self.refresh()._held

    @property
    def documents(self) -> list[str]:
        "Identifiers of the documents, in the order in which they were added."
        return list(self._now().places)

    def passages(self, document: str) -> list[Passage]:
        "The passages of a document. Raises `ValueError` when it is not there."
        held = self._now()
        if document in held.places: return held.passages[slice(*held.places[document])]
        raise ValueError(f"there is no document {document!r} in {self.folder}{did_you_mean(document, held.places)}")

    def __contains__(self, document) -> bool: return document in self._now().places
    def __len__(self) -> int: return len(self._now().passages)
    def __repr__(self):
        return (f"DocumentIndex({self.folder.name}, {len(self.documents):,} documents, {len(self):,} passages, "
                f"{self.encoder.about['name']})")

    @contextlib.contextmanager
    def _writing(self):
        "What is written within is on the disk at the end, and read anew."
        with self._one, one_writer(self.folder, WAIT):
            try: yield
            finally: self._held = None

    def cut(self, text: str) -> list[Passage]:
        "The passages that a document would make."
        return chunk(text, self.size, self.overlap, self.encoder.shares)

    def add(self,
        documents: dict,   # identifier -> text; one that is there already is replaced
    ) -> int:              # how many passages they made
        """Embeds the documents and writes them, all or none; they are on the disk when this returns.
        Raises `ValueError` for a document without text, `CourseError` when it cannot be written."""
        cut = {name: self.cut(text) for name, text in check_documents(documents).items()}
        rows = [(name, p.start, p.stop, p.text) for name, passages in cut.items() for p in passages]
        if not rows: return 0
        vectors = self.encoder([text for *_, text in rows])
        with self._writing():
            table = self._table(vectors.shape[1])
            new = pa.table([*map(list, zip(*rows)), (table.version << 32) + np.arange(len(rows)),
                            pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1])], schema=table.schema)
            if table.count_rows(_among(cut)):   # in one commit: the new passages come, none of the old is left
                table.merge_insert("number").when_not_matched_insert_all().when_not_matched_by_source_delete(
                    _among(cut)).execute(new)
            else: table.add(new)
            if table.version % 100 == 0: table.optimize(cleanup_older_than=timedelta(hours=1))   # joins small files
        return len(rows)

    def delete(self, documents):   # an identifier, or several
        "No search finds the documents any more. Raises `ValueError` for one that is not there."
        with self._writing():
            self.refresh()
            for name in (names := check_names(documents)): self.passages(name)
            if names: self._table().delete(_among(names))

    def compact(self):
        "Writes what is alive anew and removes all else, the texts of deleted and replaced documents with it."
        with self._writing(), warnings.catch_warnings(action="ignore"):
            if (table := self._table()) is None: return
            table.add(table.to_arrow(), mode="overwrite")   # `optimize` alone keeps a file in which little was deleted
            table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
            for left in self.folder.glob("passages.lance/*/.tmp*"): left.unlink()   # by a writer that was killed

    def document_scores(self, queries: list[str]) -> dict[str, np.ndarray]:   # each of shape (n_queries, n_documents)
        "For every query and document: `lexical` (BM25), `dense` (cosine of the best passage), `first` (of the first one)."
        with self._one:
            held, queries = self.refresh()._held, check_search(queries)
            if not held.places or not queries:
                return dict.fromkeys(("lexical", "dense", "first"), np.zeros((len(queries), len(held.places))))
            return held.document_scores(queries, self.encoder(queries), self.ranking)

    def search(self, query: str, k: int = 5, how: str = "hybrid", rerank=None, per_document: bool = False) -> list[Hit]:
        "The best passages for the query: `search_all` for one."
        return self.search_all([query], k, how, rerank, per_document)[0]

    def search_all(self,
        queries: list[str],          # they are embedded together
        k: int = 5,                  # hits
        how: str = "hybrid",         # "hybrid", "lexical" or "dense"
        rerank=None,                 # (query, passages) -> scores: orders the first twenty anew
        per_document: bool = False,  # at most one passage of each document
    ) -> list[list[Hit]]:            # best first; fewer than k where there is no more
        "The best passages for each query. Raises `ValueError` for an empty query."
        queries = check_search(queries, k, how)
        with self._one:
            held = self.refresh()._held
            if not held.places or not queries: return [[] for _ in queries]
            vectors = [None]*len(queries) if how == "lexical" else self.encoder(queries)
            return [held.hits(q, v, self.ranking, int(k), how, rerank, per_document) for q, v in zip(queries, vectors)]
