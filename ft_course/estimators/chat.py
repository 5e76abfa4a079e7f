"One way to write a conversation for a model, in training and in prompting; what a text spells is never a mark."
import re

from jinja2.exceptions import TemplateError


def chat_messages(
    instruction: str,                 # what is to be done; empty for none
    examples: list[tuple[str, str]],  # pairs of a message and its answer
    message: str,                     # what is to be answered
) -> list[dict]:                      # `role` and `content` of each message
    "The conversation a model is shown: instruction, examples as turns that went well, and the message."
    turns = [(role, said) for pair in examples for role, said in zip(("user", "assistant"), pair)]
    system = [("system", instruction)] if instruction else []
    return [{"role": role, "content": said} for role, said in (*system, *turns, ("user", message))]


def plain_text(
    tokenizer,
    text: str,
    max_length: int | None = None,  # tokens that are kept; None keeps all
) -> str:
    "The text cut to its first tokens; special tokens that it spells are broken up by a space."
    marks = {str(t) for t in tokenizer.added_tokens_decoder.values() if t.special} | set(tokenizer.all_special_tokens)
    for mark in sorted(marks, key=len, reverse=True): text = text.replace(mark, f"{mark[:1]} {mark[1:]}")
    if max_length is None: return text
    spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    return text if len(spans) <= max_length else text[:spans[max_length - 1][1]]


def render(
    tokenizer,
    messages: list[dict],  # as from `chat_messages`, their texts through `plain_text`
    chat: bool = True,     # False: plain lines, also where there is a chat template
) -> str:
    """The conversation as one text, up to where the next answer begins. A template without a system role gets the
    instruction in its first user turn."""
    if chat and tokenizer.chat_template:
        def written(turns): return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        if messages[0]["role"] != "system": return written(messages)
        try: text = written(messages)
        except TemplateError: text = ""
        if messages[0]["content"] in text: return text
        system, first, *rest = messages
        return written([first | {"content": f"{system['content']}\n\n{first['content']}"}, *rest])
    lines = {"system": "{}\n\n", "user": "{}\nAnswer:", "assistant": " {}\n\n"}
    return "".join(lines[m["role"]].format(m["content"]) for m in messages)


def render_prompt(
    tokenizer,
    instruction: str,      # of the course's or the reader's program: marks in it are broken up as well
    text: str,
) -> str:
    "One question as `render` writes it, its texts as `plain_text` lets them through."
    return render(tokenizer, chat_messages(plain_text(tokenizer, instruction), [], plain_text(tokenizer, text)))


def without_thinking(text: str) -> str:
    """The text without what a model thought first: up to the last `</think>` where thinking began before the text, and
    each `<think>` up to its end, or the text's. Other texts come back as they are."""
    if "<think>" not in text and "</think>" not in text: return text
    return re.sub(r"(?s)<think>.*?(</think>|\Z)", "", text).rpartition("</think>")[2].strip()
