"A course on fine-tuning language models; the library its chapters export. Importing this loads nothing heavy."
from importlib.metadata import PackageNotFoundError, version

from ft_course.core.lazy import lazy_names

try:
    __version__ = version("ft_course")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+uninstalled"

PUBLIC = {name: f"ft_course.{module}" for module, names in {   # what users import; everything else may move
    "core": "CourseError",
    "data": "Task EXAMPLE_CSV audit load_task",
    "evaluation": "compare interval verdict",
    "training": "EarlyStopping FineTunedClassifier FineTunedGenerator Full HParams HeadOnly LastLayers Method",
    "estimators.callbacks": "Checkpoint",
    "embeddings": "EmbeddingClassifier embed",
    "prompting": "Endpoint PromptClassifier generate generate_json",
    "rag": "DocumentIndex",
    "results": "stored",
    "widgets": "experiment",
}.items() for name in names.split()}

__all__ = ["__version__", *PUBLIC]
__getattr__, __dir__ = lazy_names(__name__, PUBLIC)
