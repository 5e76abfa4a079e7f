"A model behind an OpenAI-compatible address, to be given as `model=` where a language model is wanted."
import hashlib
import json
import os
import re
import threading
import warnings
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field

from ft_course.core import CourseError, atomic_path, cache_dir, progress
from ft_course.estimators import until, without_thinking

# a field that a server need not know -> how it is known again in the server's words
OPTIONAL = {"logprobs": "logprob", "top_logprobs": "logprob", "seed": r"\bseed\b", "temperature": "temperature",
            "top_p": r"\btop_p\b", "stop": r"\bstop\b"}
BESIDE = {"logprobs", "top_logprobs", "seed"}   # the answer does without: left out where a refusal names no field
_counting = threading.Lock()


class Reply(BaseModel):
    "What is kept of a server's reply. Raises `ValueError` for fields of another type, and for an empty text."
    text: str = Field(min_length=1)   # without what the model thought first
    top: list[tuple[str, Annotated[float, Field(le=1e-3, allow_inf_nan=False)]]] = []   # first token's rivals, log-probabilities
    cut: bool = False                 # did it end at the limit of tokens, or at a content filter?
    tokens_in: int = 0
    tokens_out: int = 0


def _read_reply(reply: dict) -> Reply:
    "What is kept of the reply. Raises `CourseError` with the server's error or for an empty answer, others for no reply."
    if reply.get("error") and not reply.get("choices"): raise CourseError(f"it sent an error: {reply['error']}")
    choice, usage = reply["choices"][0], reply.get("usage") or {}
    message, end = choice["message"], choice.get("finish_reason")
    content = message.get("content") or ""
    if isinstance(content, list): content = "".join(part["text"] for part in content if part["type"] == "text")
    text = without_thinking(content)
    if not text.strip():
        why = {"length": "the limit of tokens was used up before the answer began (a model that thinks first needs more room: "
                         "raise max_new_tokens, or the Endpoint's label_tokens)",
               "content_filter": "its content filter held the answer back"}
        raise CourseError(f"the answer is empty: {why.get(end) or message.get('refusal') or 'the model wrote nothing'}")
    thought = text != content or message.get("reasoning_content") or message.get("reasoning")
    first = [] if thought else ((choice.get("logprobs") or {}).get("content") or [])[:1]   # else it is the thought's
    return Reply(text=text, top=[(t["token"], t["logprob"]) for place in first for t in place.get("top_logprobs") or []],
                 cut=end in ("length", "content_filter"), tokens_in=usage.get("prompt_tokens") or 0,
                 tokens_out=usage.get("completion_tokens") or 0)


def _label_from(answer: Reply, words: list[str]) -> np.ndarray:
    """Probability of each word, from the first token's rivals where they tell, or else from the text. Raises
    `CourseError` where the text would have to tell and was cut."""
    found, lost, lower = np.zeros(len(words)), 0., [word.lower() for word in words]
    for token, logprob in answer.top:
        piece = token.strip().lower()
        fits = [i for i, word in enumerate(lower) if piece and word.startswith(piece)]
        if len(fits) == 1: found[fits[0]] += np.exp(logprob)
        else: lost += np.exp(logprob)
    if found.sum() > lost: return found / found.sum()
    if answer.cut: raise CourseError(f"the answer was cut at the limit of tokens ({answer.text[:40]!r} ...), and what is cut "
                                     "is no label; give the Endpoint a larger label_tokens")
    longest_first = "|".join(map(re.escape, sorted(lower, key=len, reverse=True)))
    said = set(re.findall(rf"(?<!\w)(?:{longest_first})(?!\w)", answer.text.lower()))
    if len(said) == 1: return np.array([word in said for word in lower], float)
    return found / found.sum() if found.any() else np.full(len(words), 1/len(words))


@dataclass(frozen=True)
class Endpoint:
    """A model behind an OpenAI-compatible address, to be given as `model=`. Only what was set is sent; what a server
    refuses by name is left out. Answers are kept on disk by url, model, messages and settings. Raises `ValueError` for
    an address with a key in it, `CourseError` when it gives no answer or an empty one."""
    url: str                     # "https://api.openai.com/v1"
    model: str                   # the model's name there
    key_env: str | None = "OPENAI_API_KEY"  # the environment variable with the key; None where none is wanted
    price_in: float | None = None   # of a million tokens read
    price_out: float | None = None  # of a million tokens written
    folder: str | None = None    # where answers are kept; None: the course's cache
    limit: str = "max_tokens"    # what this server calls the longest answer ("max_completion_tokens")
    label_tokens: int = 16       # the longest answer where a label is asked for; a model that thinks first needs hundreds
    _count: Counter = field(default_factory=lambda: Counter(asked=0, from_cache=0, tokens_in=0, tokens_out=0),
                            init=False, repr=False, compare=False)
    _refused: set = field(default_factory=set, init=False, repr=False, compare=False)   # fields that are sent no more

    def __post_init__(self):
        if self.key_env is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,60}", self.key_env):
            raise ValueError("key_env has to be the NAME of an environment variable, in capitals, "
                             "and never the key")
        if not re.fullmatch(r"https?://[^@?#\s]+", self.url):
            raise ValueError("url has to be an address like https://api.openai.com/v1, without a user, "
                             "a question mark or a key in it")

    def __deepcopy__(self, memo): return self   # copies of an estimator go on counting on the same bill

    def spent(self) -> dict:
        "Used in this process: `asked`, `from_cache`, `tokens_in`, `tokens_out`, `cost` (None without prices)."
        used = dict(self._count)
        if self.price_in is None or self.price_out is None: return used | {"cost": None}
        return used | {"cost": (used["tokens_in"]*self.price_in + used["tokens_out"]*self.price_out) / 1e6}

    def ask(self,
        messages: list[dict],  # as from `chat_messages`
        read=lambda reply: reply,   # what is made of the `Reply`; a reply on which it raises is not kept
        **settings,            # of the request: temperature, top_p, stop, seed, ...
    ):
        """The model's answer, as `read` gives it; from the disk where it was asked before. Raises `CourseError` when there
        is none, or an empty one, which is never kept."""
        asked = json.dumps([self.url, self.model, messages, settings], sort_keys=True)
        name = hashlib.sha256(asked.encode()).hexdigest()[:32]
        file = Path(self.folder or cache_dir()/"answers").expanduser()/f"{name}.json"
        try: kept = Reply.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError): kept = None   # not asked yet, or a broken file: ask
        reply = kept or self._request(messages, settings)
        with _counting: self._count.update({"from_cache": 1} if kept else {
            "asked": 1, "tokens_in": reply.tokens_in, "tokens_out": reply.tokens_out})
        found = read(reply)
        if kept: return found
        try:
            with atomic_path(file) as tmp: tmp.write_text(reply.model_dump_json(), encoding="utf-8")
        except CourseError: pass   # a folder that may not be written to costs money, not the answer
        return found

    def _request(self, messages, settings) -> Reply:
        key = "none" if self.key_env is None else os.environ.get(self.key_env, "").strip()
        if not key or not key.isascii() or not key.isprintable():
            raise CourseError(f"The environment variable {self.key_env} holds no key for {self.url}, or one with a character "
                              "that a request cannot carry; set it before you start, or give key_env=None for a server that "
                              "wants none.")
        try: import openai
        except ImportError: raise CourseError("An endpoint needs the openai package: pip install 'ft_course[hosted]'.") from None
        sent = {name: value for name, value in settings.items() if name not in self._refused}
        try:
            with openai.OpenAI(base_url=self.url, api_key=key, timeout=60, max_retries=2) as client:
                reply = client.chat.completions.with_raw_response.create(model=self.model, messages=messages, **sent)
            return _read_reply(json.loads(reply.content))
        except (openai.OpenAIError, CourseError) as err: problem = err
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):   # an answer, but not of this API
            problem = "what it sent is not a chat completion; check the address"
        status = getattr(problem, "status_code", None)
        said = " ".join(f"{status or ''} {getattr(problem, 'body', None) or problem}".split())   # the server's own words
        if self.key_env is not None: said = said.replace(key, "***")   # before it is cut: half a key is one too
        if status in (400, 422, 500):
            named = {name for name in sent.keys() & OPTIONAL.keys() if re.search(OPTIONAL[name], said)}
            if out := named or sent.keys() & BESIDE:   # asked once more without, which a server that wants none of it answers
                reply = self._request(messages, {name: value for name, value in sent.items() if name not in out})
                if named - self._refused: warnings.warn(f"{self.url} is asked without {', '.join(sorted(named))}: {said[:300]}")
                self._refused.update(named)
                return reply
        if isinstance(problem, (openai.AuthenticationError, openai.PermissionDeniedError)):
            said = f"it refused the key in {self.key_env}"
        raise CourseError(f"{self.url} gave no answer for the model {self.model!r}: {said}"[:500])

    def ask_all(self,
        conversations: list[list[dict]],
        read=lambda reply: reply,   # as of `ask`
        texts=None,            # what an error shows of each conversation; None: its last message
        **settings,            # as of `ask`
    ) -> list:
        """`ask` for each conversation, eight at a time, in order; what stands there twice is asked once. Raises `CourseError`
        that names the first text without an answer; what was answered by then is kept on disk."""
        from concurrent.futures import ThreadPoolExecutor
        keys, found = [json.dumps(c) for c in conversations], []
        with ThreadPoolExecutor(8) as pool:
            asked = {key: pool.submit(self.ask, c, read, **settings) for key, c in dict(zip(keys, conversations)).items()}
            try:
                for key in progress(keys, "asking", unit="text"): found.append(asked[key].result())
            except CourseError as err:
                text = texts[len(found)] if texts else conversations[len(found)][-1]["content"]
                raise CourseError(f"No answer to text {len(found)} ({text[:60]!r}): {err} What was answered before is kept and "
                                  "is not paid for again.") from None
            finally: pool.shutdown(cancel_futures=True)   # what was not begun is not paid for
        return found

    def label_probabilities(self, conversations, words: list[str], texts=None) -> np.ndarray:
        "Probability of each word as the answer to each conversation, shape (n_conversations, n_words). Raises as `ask_all`."
        return np.array(self.ask_all(conversations, partial(_label_from, words=words), texts, temperature=0., logprobs=True,
                                     top_logprobs=20, **{self.limit: self.label_tokens}))

    def write(self, conversations, max_new_tokens, temperature=None, top_p=None, stop=(), random_state=None,
              show=None) -> list[str]:
        "An answer to each conversation; only what was set is sent. Raises as `ask_all`."
        wanted = {"temperature": temperature, "top_p": top_p, "seed": random_state, self.limit: max_new_tokens}
        replies = self.ask_all(conversations, **({"stop": list(stop)} if stop else {}), **{   # NumPy's numbers are none to JSON
            name: np.asarray(value).item() for name, value in wanted.items() if value is not None})
        texts = [until(reply.text, stop) for reply in replies]
        for text in texts if show else (): show(text)
        return texts
