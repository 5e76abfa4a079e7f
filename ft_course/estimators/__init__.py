"The estimators, what hangs on a run (callbacks, checkpoints), and how a conversation is written for a model."
from ft_course.estimators.callbacks import Checkpoint, KeepLastGood, StopOnSignal
from ft_course.estimators.chat import chat_messages, plain_text, render, render_prompt, without_thinking
from ft_course.estimators.classifier import FineTunedClassifier
from ft_course.estimators.few import FewPerLabel
from ft_course.estimators.generator import FineTunedGenerator, generate_texts, mean_answer_losses, until
from ft_course.estimators.peft import Peft, as_method

__all__ = ["Checkpoint", "FewPerLabel", "FineTunedClassifier", "FineTunedGenerator", "KeepLastGood", "Peft", "StopOnSignal",
           "as_method", "chat_messages", "generate_texts", "mean_answer_losses", "plain_text", "render", "render_prompt",
           "until", "without_thinking"]
