"Servers and models that answer otherwise than was expected: a case each with the right value; the numbers are those of the list of faults."
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from ft_course.core import CourseError
from ft_course.estimators import chat_messages, plain_text, render, without_thinking
from ft_course.models import load_tokenizer
from ft_course.prompting import PromptClassifier, answer_log_likelihoods, generate, generate_json, read_json
from ft_course.retrieval.endpoint import Endpoint

KEY = "sk-test-0123456789abcdef"
GOOD = chat_messages("", [], "good")


def reply(content="Positive.", finish="stop", **message) -> tuple:
    "What a server says when all is well."
    return 200, {"choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content} | message}],
                 "usage": {"prompt_tokens": 9, "completion_tokens": 3}}


def refusal(words, status=400, **more) -> tuple: return status, {"error": {"message": words} | more}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append(body)
        status, said = self.server.says(body)
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_): pass


@pytest.fixture
def server(monkeypatch):
    "A server of this test; `says` is a function body -> status and reply."
    pytest.importorskip("openai")
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", .01)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.says, server.seen = lambda body: reply(), []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown(); server.server_close(); thread.join()


@pytest.fixture
def at(server, tmp_path):
    return lambda **settings: Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "big", "TEST_KEY", folder=str(tmp_path), **settings)


def classifier(endpoint, **settings): return PromptClassifier("Sort.", endpoint, **settings).fit([], ["negative", "positive"])


def kept(folder) -> list: return sorted(folder.glob("*.json"))


# 23, 24: one way to write a conversation

class Template:
    "A tokenizer whose template knows users and assistants only."
    def __init__(self, strict): self.strict, self.chat_template = strict, "yes"
    def apply_chat_template(self, turns, **_):
        from jinja2.exceptions import TemplateError
        if self.strict and turns[0]["role"] == "system": raise TemplateError("System role not supported")
        return "".join(f"<{t['role']}>{t['content']}" for t in turns if t["role"] != "system")


@pytest.mark.parametrize("strict", [True, False])   # the template refuses the system, or passes over it
def test_23_without_a_system_role_the_instruction_opens_the_first_turn(strict):
    said = render(Template(strict), chat_messages("Sort it.", [("a", "b")], "c"))
    assert said == "<user>Sort it.\n\na<assistant>b<user>c"


def test_24_a_mark_that_a_text_spells_is_no_mark():
    tokenizer = load_tokenizer("smollm2")
    ids = tokenizer(plain_text(tokenizer, "one<|im_end|>two<|endoftext|>"))["input_ids"]
    assert not set(ids) & set(tokenizer.all_special_ids)
    said = render(tokenizer, chat_messages("", [("q", plain_text(tokenizer, "a<|im_end|>"))], "t"))
    assert said.count("<|im_end|>") == render(tokenizer, chat_messages("", [("q", "a")], "t")).count("<|im_end|>")


# 25: answers that are empty or cut

@pytest.mark.parametrize("message", [{"content": "", "reasoning_content": "The user asks"}, {"content": None}, {"content": " \n"}, {"content": "<think>The user asks"}])
def test_25_an_empty_answer_is_no_label_and_is_not_kept(server, at, tmp_path, message):
    server.says = lambda body: reply(finish="length", **message)
    endpoint = at()
    with pytest.raises(CourseError, match="the answer is empty: the limit of tokens was used up") as err: classifier(endpoint).predict(["good"])
    assert "label_tokens" in str(err.value) and not kept(tmp_path)
    with pytest.raises(CourseError, match="the answer is empty"): generate(["good"], endpoint)
    assert not kept(tmp_path)
    server.says = lambda body: reply()
    assert classifier(endpoint).predict_proba(["good"]).tolist() == [[0, 1]]   # a mended server is asked again
    assert len(kept(tmp_path)) == 1


def test_25_an_answer_that_is_empty_for_another_reason_says_which(server, at, tmp_path):
    for said, why in ((reply("", "content_filter"), "content filter"), (reply(None, refusal="I cannot help with that"), "I cannot help"), (reply(""), "wrote nothing")):
        server.says = lambda body: said
        with pytest.raises(CourseError, match=why): at().ask(GOOD)
    assert not kept(tmp_path)


def test_25_a_cut_answer_is_no_label(server, at, tmp_path):
    server.says = lambda body: reply("Is it positive? Let me see: the words", "length")
    with pytest.raises(CourseError, match="cut at the limit of tokens.*label_tokens"): classifier(at()).predict(["good"])
    assert not kept(tmp_path)
    server.says = lambda body: reply("It is negative.") if body["max_tokens"] == 300 else reply("Is it positive?", "length")
    assert classifier(at(label_tokens=300)).predict(["good"]).tolist() == ["negative"]


def test_25_a_cut_answer_whose_first_token_decides_is_a_label(server, at, tmp_path):
    def says(body):
        status, said = reply("Positive, since the words", "length")
        top = [{"token": "Pos", "logprob": -.1}, {"token": "Neg", "logprob": -3.}]
        said["choices"][0]["logprobs"] = {"content": [{"token": "Pos", "logprob": -.1, "top_logprobs": top}]}
        return status, said
    server.says = says
    p = classifier(at()).predict_proba(["good"])
    np.testing.assert_allclose(p[0, 1], np.exp(-.1)/(np.exp(-.1) + np.exp(-3)))
    assert len(kept(tmp_path)) == 1


def test_25_a_blank_answer_of_an_older_version_is_asked_again(server, at, tmp_path):
    at().ask(GOOD)
    file, = kept(tmp_path)
    file.write_text('{"text": "", "top": [], "tokens_in": 1, "tokens_out": 1}')
    assert at().ask(GOOD).text == "Positive." and len(server.seen) == 2


# 26: fields that a server does not know

@pytest.mark.parametrize("status", [400, 422, 500])
@pytest.mark.parametrize("field", ["logprobs", "temperature", "seed"])
def test_26_a_refused_field_is_left_out(server, at, status, field):
    server.says = lambda body: refusal(f"Extra inputs are not permitted: {field} of {KEY}", status) if field in body else reply()
    endpoint = at()
    def asked(text): return endpoint.ask(chat_messages("", [], text), temperature=0., seed=1, logprobs=True, top_logprobs=20, max_tokens=5).text
    with pytest.warns(UserWarning, match=f"is asked without {field}.*Extra inputs are not permitted: {field} of ...'") as said: assert asked("good") == "Positive."
    assert KEY not in str(said[0].message)
    out = {"logprobs", "top_logprobs"} if field == "logprobs" else {field}
    assert set(server.seen[0]) - set(server.seen[-1]) == out and server.seen[-1]["max_tokens"] == 5
    before = len(server.seen)
    assert asked("good again") == "Positive." and len(server.seen) == before + 1   # what was named is not sent again


@pytest.mark.parametrize("status", [400, 422, 500])
def test_26_a_refusal_without_a_name_is_asked_once_more_and_said(server, at, status):
    server.says = lambda body: refusal("internal error", status) if "seed" in body else reply()
    assert at().ask(GOOD, temperature=.5, seed=3).text == "Positive." and "temperature" in server.seen[-1]
    server.says, server.seen = lambda body: refusal(f"no such tenant, dear {KEY}", status), []
    with pytest.raises(CourseError, match="no such tenant, dear \\*\\*\\*") as err: at().ask(chat_messages("", [], "other"), seed=3)
    assert len([b for b in server.seen if "seed" not in b]) == (3 if status == 500 else 1)   # the client itself tries 500 again
    assert str(status) in str(err.value) and KEY not in str(err.value)


def test_26_words_of_a_refusal_of_another_shape(server, at):
    server.says = lambda body: (422, {"detail": [{"loc": ["body", "messages"], "msg": "too many turns"}]})
    with pytest.raises(CourseError, match="too many turns"): at().ask(GOOD)


def test_26_the_seed_is_sent_when_it_was_set(server, at):
    generate(["good"], at())
    generate(["good"], at(), random_state=7)
    assert ["seed" in body for body in server.seen] == [False, True] and server.seen[1]["seed"] == 7


# 27: only what was set is sent

@pytest.mark.parametrize("settings", [{}, {"temperature": .5}, {"top_p": .9}, {"temperature": 0.}, {"stop": ["x"]}, {"random_state": 0}])
def test_27_only_what_was_set_is_sent(server, at, settings):
    generate(["good"], at(), **settings)
    sent = {"random_state": "seed"}
    assert {k: v for k, v in server.seen[0].items() if k not in ("model", "messages")} == {"max_tokens": 64} | {sent.get(k, k): v for k, v in settings.items()}


@pytest.mark.slow
def test_27_a_temperature_that_is_refused_is_left_out(server, at):
    words = "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is supported."
    server.says = lambda body: refusal(words, param="temperature") if "temperature" in body else reply()
    with pytest.warns(UserWarning, match="Only the default"): assert classifier(at()).predict(["good"]).tolist() == ["positive"]
    server.says = lambda body: reply('{"n": 2}') if not {"temperature", "top_p"} <= set(body) else refusal("temperature and top_p cannot both be specified")
    assert generate_json("How many?", {"type": "object", "required": ["n"]}, model=at()) == {"n": 2} and "temperature" not in server.seen[-1]


# 28: replies of another shape

@pytest.mark.parametrize("error", [{"message": "model overloaded", "code": 502}, "model overloaded"])
def test_28_an_error_inside_a_reply_is_said(server, at, tmp_path, error):
    server.says = lambda body: (200, {"choices": None, "error": error})
    with pytest.raises(CourseError, match="it sent an error: .*model overloaded"): at().ask(GOOD)
    assert not kept(tmp_path)


def test_28_pieces_of_an_answer_are_joined(server, at):
    pieces = [{"type": "thinking", "thinking": [{"type": "text", "text": "negative?"}]}, {"type": "text", "text": "Posi"}, {"type": "text", "text": "tive."}]
    server.says = lambda body: reply(pieces)
    assert at().ask(GOOD).text == "Positive." and classifier(at()).predict(["good"]).tolist() == ["positive"]


# 29: one text of many

@pytest.mark.slow
@pytest.mark.parametrize("answer", [refusal("The prompt was filtered", code="content_filter"), reply("", "content_filter")])
def test_29_a_refused_text_is_named_and_the_others_are_kept(server, at, tmp_path, answer):
    texts = ["good one", "bad one", "good two", "something that a filter holds back, and more words", *(f"good {i}" for i in range(20))]
    server.says = lambda body: answer if "a filter" in body["messages"][-1]["content"] else reply()
    endpoint = at()
    model = classifier(endpoint, templates=("Sort this message by its tone, negative or positive, in one word. Message: {text}",))
    with pytest.raises(CourseError, match=r"No answer to text 3 \('something that a filter.*filter") as err: model.predict(texts)
    assert "is not paid for again" in str(err.value) and "\n" not in str(err.value)
    done = len(kept(tmp_path))
    assert done >= 3
    del texts[3]
    server.seen.clear()
    assert model.predict(texts).tolist() == ["positive"]*len(texts)
    assert len(server.seen) == len(texts) - done and endpoint.spent()["from_cache"] == done
    with pytest.raises(CourseError, match=r"No answer to text 1 \('a filter"): generate(["good", "a filter"], endpoint)


# 30: a draft before the answer

DRAFT = '<think>First {"n": 1}, or is it "negative"? No.</think>\n{"n": 2}'


def test_30_thinking_is_taken_off_before_json_is_read(server, at):
    assert read_json(DRAFT, {"type": "object"}) == {"n": 2} == read_json(DRAFT.removeprefix("<think>"), {"type": "object"})
    server.says = lambda body: reply(DRAFT)
    assert generate_json("How many?", {"type": "object"}, model=at()) == {"n": 2}
    with pytest.raises(ValueError, match="no JSON"): read_json('<think>{"n": 1} and then', {"type": "object"})


def test_30_thinking_is_taken_off_before_a_label_is_read(server, at):
    def says(body):
        status, said = reply("<think>negative? The words are warm.</think>\n\nPositive.")
        said["choices"][0]["logprobs"] = {"content": [{"token": "neg", "logprob": -.1, "top_logprobs": [{"token": "neg", "logprob": -.1}]}]}   # of the draft
        return status, said
    server.says = says
    assert classifier(at()).predict_proba(["good"]).tolist() == [[0, 1]]


@pytest.mark.parametrize("text, wanted", [("a < b, no thought ", "a < b, no thought "), ("<think>x</think>y", "y"), ("x</think>\n y", "y"), ("<think>x", ""), ("y <think>x</think>", "y"),
                                          ("<think>a</think><think>b</think>c", "c"), ("", "")])
def test_30_what_is_left_without_thinking(text, wanted): assert without_thinking(text) == wanted


# 42: when the end mark is scored

def test_42_the_end_mark_is_scored_only_where_one_word_begins_another(monkeypatch):
    from ft_course import prompting
    tokenizer, asked = load_tokenizer("smollm2"), []
    def seen(network, prompts, answers, *_):
        asked.append(answers)
        return np.zeros((len(prompts), len(answers)), np.float32)
    monkeypatch.setattr(prompting, "answer_log_likelihoods", seen)
    for words, ends in ((["business", "sports"], False), (["sport", "sports"], False), (["sport", "sport news"], True)):
        PromptClassifier("Sort.").fit([], words).predict(["x"])
        pieces = [tokenizer(word)["input_ids"] for word in words]
        assert asked[-1] == [ids + [tokenizer.eos_token_id]*ends for ids in pieces], words
    assert "only where one label's word begins another's" in " ".join(PromptClassifier.__doc__.split())


@pytest.mark.slow
def test_42_what_the_end_mark_would_change():
    "Measured on the airline's three words: with the mark scored always, some answers differ, which is why the rule is stated."
    from ft_course.data import load_task
    from ft_course.prompting import PROMPTED, language_model
    texts = load_task("airline").split("validation")[0][:40]
    tokenizer, network = language_model("smollm2")
    model = PromptClassifier(PROMPTED["airline"]).fit([], ["negative", "neutral", "positive"])
    prompts = tokenizer([render(tokenizer, chat_messages(PROMPTED["airline"], [], plain_text(tokenizer, t, 160))) for t in texts])["input_ids"]
    words = [tokenizer(word)["input_ids"] for word in model.classes_]
    plain, ended = (answer_log_likelihoods(network, prompts, [ids + end for ids in words]) for end in ([], [tokenizer.eos_token_id]))
    assert (model.predict_proba(texts).argmax(1) == plain.argmax(1)).all()   # the rule: no mark
    assert 5 < (plain.argmax(1) != ended.argmax(1)).sum() < 30   # of 40
