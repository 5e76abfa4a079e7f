"A model behind an OpenAI-compatible address, to be given as `model=` where a language model is wanted."
import hashlib
import json
import numbers
import os
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ft_course.core import CourseError, atomic_path, cache_dir, progress
from ft_course.estimators.generator import until

_counting = threading.Lock()

class _Asking:
    "One question to a server: from the disk if it was asked before."
    def _file(self, messages, settings) -> Path:
        asked = json.dumps([self.url, self.model, messages, settings], sort_keys=True)
        name = hashlib.sha256(asked.encode()).hexdigest()[:32]
        return Path(self.folder or cache_dir()/"answers").expanduser()/f"{name}.json"

    def _add(self, **counts):
        with _counting:
            for name, n in counts.items(): self._count[name] += n

    def ask(self,
        messages: list[dict],  # as from `chat_messages`
        **settings,            # of the request: temperature, top_p, stop, seed, ...
    ) -> dict:                 # `text`, `top` (rivals of the first token), `tokens_in`, `tokens_out`
        "The model's answer, from the disk where it was asked before. Raises `CourseError` when there is none."
        file = self._file(messages, settings)
        try: answer = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError): answer = None   # not asked yet, or a broken file: ask
        if _is_answer(answer):
            self._add(from_cache=1)
            return answer
        answer = self._request(messages, settings)
        self._add(asked=1, tokens_in=answer["tokens_in"], tokens_out=answer["tokens_out"])
        try:
            with atomic_path(file) as tmp: tmp.write_text(json.dumps(answer), encoding="utf-8")
        except CourseError: pass   # a folder that may not be written to costs money, not the answer
        return answer

    def _request(self, messages, settings) -> dict:
        key = self._key()
        try: import openai
        except ImportError:
            raise CourseError("An endpoint needs the openai package: "
                              "pip install 'ft_course[hosted]'.") from None
        without = {k: v for k, v in settings.items() if "logprobs" not in k}
        if not self._count["logprobs"]: settings = without
        try:
            with openai.OpenAI(base_url=self.url, api_key=key, timeout=60, max_retries=2) as client:
                reply = client.chat.completions.create(model=self.model, messages=messages, **settings)
            return _read_reply(reply)
        except openai.OpenAIError as err: problem = err
        except (AttributeError, IndexError, TypeError, ValueError):   # an answer, but not of this API
            problem = "what it sent is not a chat completion; check the address"
        if isinstance(problem, openai.BadRequestError) and settings != without:   # it may give no probabilities
            answer = self._request(messages, without)
            if "logprob" in str(problem): self._count["logprobs"] = False   # it says so: do not ask again
            return answer
        refused = isinstance(problem, (openai.AuthenticationError, openai.PermissionDeniedError))
        said = f"it refused the key in {self.key_env}" if refused else " ".join(str(problem).split())
        said = f"{self.url} gave no answer for the model {self.model!r}: {said}"
        if self.key_env is not None: said = said.replace(key, "***")   # before it is cut: half a key is one too
        raise CourseError(said[:500])

def _read_reply(reply) -> dict:
    "What is kept of a server's reply. Raises `ValueError` when it is none."
    choice, usage = reply.choices[0], reply.usage
    first = choice.logprobs.content[:1] if choice.logprobs and choice.logprobs.content else []
    answer = {"text": choice.message.content or "",
              "top": [[rival.token, rival.logprob] for place in first for rival in place.top_logprobs],
              "tokens_in": getattr(usage, "prompt_tokens", None) or 0,
              "tokens_out": getattr(usage, "completion_tokens", None) or 0}
    if not _is_answer(answer): raise ValueError("a field of the reply is of another type")
    return answer

def _is_answer(answer) -> bool:
    "Is this an answer as it is kept on disk?"
    def is_rival(r): return (isinstance(r, list) and len(r) == 2 and isinstance(r[0], str)
                             and isinstance(r[1], numbers.Real) and r[1] <= 1e-3)   # NaN is not
    return (isinstance(answer, dict) and isinstance(answer.get("text"), str)
            and isinstance(answer.get("top"), list) and all(map(is_rival, answer["top"]))
            and all(isinstance(answer.get(name), int) for name in ("tokens_in", "tokens_out")))


def _label_from(answer: dict, words: list[str]) -> np.ndarray:
    "Probability of each word, from the first token's rivals where they tell, or else from the text."
    found, lost, lower = np.zeros(len(words)), 0., [word.lower() for word in words]
    for token, logprob in answer["top"]:
        piece = token.strip().lower()
        fits = [i for i, word in enumerate(lower) if piece and word.startswith(piece)]
        if len(fits) == 1: found[fits[0]] += np.exp(logprob)
        else: lost += np.exp(logprob)
    if found.sum() > lost: return found / found.sum()
    said = answer["text"].lower()
    exact = [said.strip(" \n\t.,!\"'`*") == word for word in lower]
    spans = [[m.span() for m in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", said)] for word in lower]
    def alone(a, b): return not any(c <= a and b <= d and d - c > b - a for each in spans for c, d in each)
    inside = [any(alone(*span) for span in each) for each in spans]
    for fits in (exact, inside):
        if sum(fits) == 1: return np.array(fits, float)
    return found / found.sum() if found.any() else np.full(len(words), 1/len(words))


def _no_calls() -> dict: return {"asked": 0, "from_cache": 0, "tokens_in": 0, "tokens_out": 0, "logprobs": True}

@dataclass(frozen=True)
class Endpoint(_Asking):
    """A model behind an OpenAI-compatible address, to be given as `model=`. Answers are kept on disk by url,
    model and messages. Raises `ValueError` for an address with a key in it, `CourseError` when it gives
    no answer."""
    url: str                     # "https://api.openai.com/v1"
    model: str                   # the model's name there
    key_env: str | None = "OPENAI_API_KEY"  # the environment variable with the key; None where none is wanted
    price_in: float | None = None   # of a million tokens read
    price_out: float | None = None  # of a million tokens written
    folder: str | None = None    # where answers are kept; None: the course's cache
    limit: str = "max_tokens"    # what this server calls the longest answer ("max_completion_tokens")
    _count: dict = field(default_factory=_no_calls, init=False, repr=False, compare=False)

    def __post_init__(self):
        if self.key_env is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,60}", self.key_env):
            raise ValueError("key_env has to be the NAME of an environment variable, in capitals, "
                             "and never the key")
        if not re.fullmatch(r"https?://[^@?#\s]+", self.url):
            raise ValueError("url has to be an address like https://api.openai.com/v1, without a user, "
                             "a question mark or a key in it")
    def __deepcopy__(self, memo): return self   # copies of an estimator go on counting on the same bill

    def _key(self) -> str:
        key = "none" if self.key_env is None else os.environ.get(self.key_env, "").strip()
        if not key.isascii() or not key.isprintable():
            raise CourseError(f"The environment variable {self.key_env} holds something that is no key: a "
                              "character that a request cannot carry; copy the key again.")
        if not key:
            raise CourseError(f"The environment variable {self.key_env} holds no key for {self.url}; set it "
                              "before you start, or give key_env=None for a server that wants none.")
        return key

    def spent(self) -> dict:
        "Used in this process: `asked`, `from_cache`, `tokens_in`, `tokens_out`, `cost` (None without prices)."
        used = {k: v for k, v in self._count.items() if k != "logprobs"}
        if self.price_in is None or self.price_out is None: return used | {"cost": None}
        return used | {"cost": (used["tokens_in"]*self.price_in + used["tokens_out"]*self.price_out) / 1e6}

    def ask_all(self, conversations: list[list[dict]], **settings) -> list[dict]:
        "`ask` for each conversation, eight at a time, in order; what stands there twice is asked once."
        from concurrent.futures import ThreadPoolExecutor
        keys = [json.dumps(c) for c in conversations]
        with ThreadPoolExecutor(8) as pool:
            asked = {key: pool.submit(self.ask, c, **settings)
                     for key, c in dict(zip(keys, conversations)).items()}
            waiting = [asked[key] for key in keys]
            try: return [w.result() for w in progress(waiting, "asking", unit="text")]
            except BaseException:
                for w in waiting: w.cancel()   # what was not begun is not paid for
                raise

    def label_probabilities(self, conversations, words: list[str]) -> np.ndarray:
        "Probability of each word as the answer to each conversation, shape (n_conversations, n_words)."
        answers = self.ask_all(conversations, temperature=0., logprobs=True, top_logprobs=20,
                               **{self.limit: 16})
        return np.array([_label_from(answer, words) for answer in answers])

    def write(self, conversations, max_new_tokens, temperature, top_p, stop, random_state, show) -> list[str]:
        "An answer to each conversation."
        more = {"stop": stop} if stop else {}
        answers = self.ask_all(conversations, temperature=temperature, top_p=top_p, seed=random_state,
                               **{self.limit: max_new_tokens}, **more)
        texts = [until(a["text"], stop) for a in answers]
        for text in texts if show else (): show(text)
        return texts
