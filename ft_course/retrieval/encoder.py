"What turns texts into vectors, and how one such thing is told from another."
import functools

import numpy as np

from ft_course.core import CourseError

MOST = 256   # tokens of a text that a named model reads


@functools.lru_cache(maxsize=2)
def _tokenizer(model, weights: str):   # another when its files change
    from ft_course.models import load_tokenizer
    return load_tokenizer(model)


class Encoder:
    "A model by its name, or a function texts -> vectors: gives vectors of length one, and knows which model it is."
    def __init__(self, model):   # alias, folder or Hub id of an encoder, or a function texts -> vectors
        self.model, self.dimensions = model, None   # of the vectors in the index, once there are some
        if not callable(model):
            from ft_course.models import model_identity
            self.about = {"name": str(model), "weights": model_identity(model) or ""}
            return
        thing = model if hasattr(model, "__qualname__") else type(model)   # a function, or an object to be called
        vector = np.asarray(model(["The quick brown fox jumps over the lazy dog."]), float).ravel()
        length = np.linalg.norm(vector)   # four numbers of the vector's direction tell functions of one name apart
        probe = np.random.default_rng(0).normal(size=(4, vector.size)) @ (vector / (length or 1))
        self.about = {"name": f"function {thing.__module__}.{thing.__qualname__}", "weights": "",
                      "probe": probe.round(6).tolist()}

    def __call__(self, texts: list[str]) -> np.ndarray:
        """The texts' vectors of length one, shape (n_texts, n_dimensions), float32. Raises `CourseError` when those in
        the index have other dimensions."""
        if callable(self.model): made = self.model(texts)
        else:
            from ft_course.embeddings import embed
            made = embed(texts, model=self.model, max_length=MOST)
        made = np.asarray(made, dtype=np.float32)
        if made.ndim != 2 or len(made) != len(texts) or not np.isfinite(made).all():
            raise ValueError(f"the model gave an array of shape {made.shape} for {len(texts)} texts; one "
                             "row of finite numbers a text is wanted")
        if self.dimensions not in (None, made.shape[1]):
            raise CourseError(f"The index holds vectors of {self.dimensions} numbers and the model now gives "
                              f"{made.shape[1]}; use another folder.")
        return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)

    def shares(self, texts: list[str]) -> np.ndarray:
        "What share of the model's input each text takes, a line break after it: above 1 it would be cut; 0 for a function."
        if callable(self.model) or not texts: return np.zeros(len(texts))
        tokenizer = _tokenizer(self.model, self.about["weights"])
        ids = tokenizer([text + "\n" for text in texts], add_special_tokens=False, verbose=False)["input_ids"]
        return np.array([len(i) for i in ids]) / (MOST - tokenizer.num_special_tokens_to_add())

    def check(self,
        about: dict,   # `about` of the encoder that made what stands in the folder, with its `dimensions`
        folder,
    ):
        "Raises `CourseError` when that is another model than this one; a name alone does not decide it."
        probes = [np.array(one["probe"]) for one in (about, self.about) if one.get("probe")]
        if about["weights"] and self.about["weights"]: same = about["weights"] == self.about["weights"]
        else: same = about["name"] == self.about["name"] and (len(probes) < 2 or np.allclose(*probes, atol=1e-2))
        if not same:
            raise CourseError(f"{folder} was made with the model {about['name']!r} and you opened it with "
                              f"{self.about['name']!r}, whose weights differ: their vectors cannot be compared. "
                              "Open it with the model it was made with, or make a new index in another folder.")
        self.dimensions = about["dimensions"]
