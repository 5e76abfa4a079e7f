"A course on fine-tuning language models; the library its chapters export. Importing this loads nothing heavy."
from importlib.metadata import PackageNotFoundError, version

from ft_course.core.lazy import lazy_names

try:
    __version__ = version("ft_course")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+uninstalled"

__all__, __getattr__, __dir__ = lazy_names(__name__, {   # what users import; everything else may move
    "core": "CourseError",
    "data": "Task EXAMPLE_CSV audit load_task",
    "evaluation": "METRICS Metric compare interval verdict",
    "training": "Answers Callback EarlyStopping Full HParams HeadOnly Labels LastLayers Method Objective",
    "estimators": "Checkpoint FineTunedClassifier FineTunedGenerator",
    "lora": "LoRA",
    "results": "stored table",
    "embeddings": "EmbeddingClassifier embed",
    "prompting": "PromptClassifier generate generate_json",
    "retrieval.endpoint": "Endpoint",
    "retrieval.index": "DocumentIndex",
    "widgets": "experiment",
})
