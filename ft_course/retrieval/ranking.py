"Hits, rankings fused into one, and passages in memory that are ranked by their words (BM25) and by their vectors."
import math
from dataclasses import dataclass, replace
from unicodedata import normalize

import numpy as np
import regex

from ft_course.core.inputs import check_choice, check_settings, check_texts
from ft_course.evaluation import NO_SPACES
from ft_course.retrieval.passages import Passage, joined

HOW = ("hybrid", "lexical", "dense")
WORD = regex.compile(rf"{NO_SPACES}\p{{M}}*|(?:(?!{NO_SPACES})\w){{2,}}")   # `regex` counts a vowel sign as a part of its word
DEPTH, CANDIDATES = 100, 20    # passages of each ranking that are fused; hits that a reranker sees


@dataclass(frozen=True)
class Hit:
    "A passage that a search found."
    document: str              # its document's identifier
    passage: str               # its text
    score: float               # what it was ranked by
    positions: tuple           # the numbers of its sentences in the document, from 0
    lexical: float = math.nan  # its BM25 score, where that was computed
    dense: float = math.nan    # its cosine with the query, from -1 to 1, where that was computed

    @property
    def where(self) -> str:
        "Its document and its sentences, in words."
        first, last = self.positions[0], self.positions[-1]
        return f"{self.document}, " + (f"sentence {first}" if first == last else f"sentences {first}–{last}")


def query_words(texts: list[str]) -> list[list[str]]:
    """The words of each text as BM25 sees them: lower case, two characters or more (one where a script has no spaces),
    without English stop words."""
    from bm25s.stopwords import STOPWORDS_EN
    return [[word for word in WORD.findall(normalize("NFC", text).lower()) if word not in STOPWORDS_EN] for text in texts]


def word_scorer(
    texts: list[str],
    k1: float = 1.2,   # the larger, the more a repeated word counts
    b: float = .75,    # 0 ignores a text's length, 1 counts it fully
):                     # a function query -> BM25 score of every text, shape (n_texts,)
    "BM25 over the texts, whose statistics are made once; a query that shares no word with any scores zeros."
    import bm25s
    words, model = query_words(texts), bm25s.BM25(k1=k1, b=b, method="lucene")
    if any(words): model.index(words, show_progress=False)
    def scores(query: str) -> np.ndarray:
        asked, = query_words([query])
        return model.get_scores(asked) if asked and any(words) else np.zeros(len(words), np.float32)
    return scores


def reciprocal_rank_fusion(
    rankings: list,          # each a sequence of keys, best first
    weights=None,            # one a ranking; 1 each by default
    constant: float = 60,    # the larger, the less the very top counts
) -> dict:                   # key -> fused score, best first
    """Rankings fused into one: every ranking gives weight / (constant + rank) (Cormack et al. 2009).
    Raises `ValueError` for a constant below 0, or when there is not one weight a ranking."""
    weights = [1]*len(rankings) if weights is None else list(weights)
    if len(weights) != len(rankings) or constant < 0:
        raise ValueError(f"{len(rankings)} rankings, {len(weights)} weights and constant={constant}: there has "
                         "to be one weight a ranking, and a constant of 0 or more")
    fused = {}
    for ranking, weight in zip(rankings, weights):
        for rank, key in enumerate(dict.fromkeys(ranking), start=1):   # a key counts once
            fused[key] = fused.get(key, 0) + weight / (constant + rank)
    return dict(sorted(fused.items(), key=lambda item: -item[1]))


def reranked(
    query: str,
    hits: list[Hit],
    rerank,           # (query, passages) -> one score a passage, larger is better
) -> list[Hit]:
    "The hits in the order of the reranker's scores. Raises `ValueError` when there is not one a passage."
    if not hits: return hits
    scores = np.asarray(rerank(query, [hit.passage for hit in hits]), dtype=float)
    if scores.shape != (len(hits),):
        raise ValueError(f"the reranker gave scores of shape {scores.shape} for {len(hits)} passages")
    return [replace(hits[i], score=float(scores[i])) for i in np.argsort(-scores, kind="stable")]


@dataclass
class Ranking:
    "How passages are scored and rankings fused."
    k1: float = 1.2        # BM25: the larger, the more a repeated word counts
    b: float = .75         # BM25: 0 ignores a passage's length, 1 counts it fully
    weight: float = .5     # hybrid: share of the ranks by meaning, from 0 to 1
    constant: float = 60   # hybrid: see `reciprocal_rank_fusion`
    lead: float = 0        # whole documents: how much the first passage counts beside the best one

    def __post_init__(self):
        check_settings(weight=(self.weight, 0 <= self.weight <= 1, "a share, from 0 to 1"))


class Collection:
    "Passages in memory with their vectors: what a search ranks."
    def __init__(self, table=None):   # LanceDB's: number (which orders the rows), document, text, start, stop, vector
        self.documents, self.passages, self.vectors = [], [], np.empty((0, 0), np.float32)
        if table is not None:
            rows = table.to_arrow().sort_by("number")   # the database promises no order
            self.documents = rows["document"].to_pylist()
            self.passages = list(map(Passage, *(rows[name].to_pylist() for name in ("text", "start", "stop"))))
            vectors = rows["vector"].combine_chunks()
            self.vectors = vectors.flatten().to_numpy().reshape(len(rows), vectors.type.list_size)
        self.places, self._scorers = {}, {}   # document -> number of its first passage, and of the one after its last
        for n, name in enumerate(self.documents): self.places[name] = (self.places.get(name, (n,))[0], n + 1)
        self.starts = np.array([first for first, _ in self.places.values()], int)

    def lexical(self, query: str, ranking: Ranking, whole: bool = False) -> np.ndarray:
        "BM25 score of every passage, or of every whole document."
        key = (whole, ranking.k1, ranking.b)
        if key not in self._scorers:
            texts = ([joined(self.passages[first:stop]) for first, stop in self.places.values()] if whole
                     else [p.text for p in self.passages])
            self._scorers[key] = word_scorer(texts, ranking.k1, ranking.b)
        return self._scorers[key](query)

    def document_scores(self, queries: list[str], vectors: np.ndarray, ranking: Ranking) -> dict[str, np.ndarray]:
        "As of `DocumentIndex`; `vectors` are the queries'."
        cosines = vectors @ self.vectors.T
        return {"lexical": np.stack([self.lexical(q, ranking, whole=True) for q in queries]),
                "dense": np.maximum.reduceat(cosines, self.starts, axis=1), "first": cosines[:, self.starts]}

    def hits(self,
        query: str,
        vector,              # the query's; None where `how` is "lexical"
        ranking: Ranking,
        k: int, how: str, rerank, per_document: bool,   # as of `DocumentIndex.search_all`
    ) -> list[Hit]:
        "The k best passages for the query, best first."
        from ft_course.embeddings import top_k
        scores = {} if how == "dense" else {"lexical": self.lexical(query, ranking)}
        if how != "lexical": scores["dense"] = self.vectors @ vector
        wanted, rankings, best, starts = max(k, CANDIDATES) if rerank else k, [], {}, self.starts
        ends = np.append(starts[1:], len(self.passages))
        for kind, values in scores.items():
            if not per_document: ranked = values
            elif kind == "lexical": ranked = self.lexical(query, ranking, whole=True)
            else: ranked = np.maximum.reduceat(values, starts) + ranking.lead*values[starts]
            found = [n for n in top_k(ranked, max(DEPTH, wanted)).tolist() if kind == "dense" or ranked[n] > 0]
            rankings.append({n: float(ranked[n]) for n in found})   # no word in common is no hit
            for place, n in enumerate(found):
                shown = int(starts[n] + values[starts[n]:ends[n]].argmax()) if per_document else n
                best[n] = min(best.get(n, (DEPTH + wanted, 0)), (place, shown))
        fused = rankings[0] if how != "hybrid" else reciprocal_rank_fusion(
            rankings, (1 - ranking.weight, ranking.weight), ranking.constant)
        hits = [Hit(self.documents[n], p.text, float(score), tuple(range(p.start, p.stop)),
                    **{kind: float(values[n]) for kind, values in scores.items()})
                for key, score in list(fused.items())[:wanted] for n in (best[key][1],) for p in (self.passages[n],)]
        return (reranked(query, hits, rerank) if rerank else hits)[:k]


def check_search(queries, k=1, how="hybrid") -> list[str]:
    "The queries. Raises `ValueError` for one that is no text or empty, a `k` below 1, a `how` that is none of `HOW`."
    for query in queries:
        if not isinstance(query, str):
            raise ValueError(f"a query has to be a text, and this one is of type {type(query).__name__}")
        if not query.strip(): raise ValueError("the query is empty: ask in at least one word")
    check_choice(how=(how, HOW))
    check_settings(k=(k, isinstance(k, (int, np.integer)) and not isinstance(k, bool) and k >= 1, "1 or more: at least one hit"))
    return check_texts(queries, "queries")
