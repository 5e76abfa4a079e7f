"A course on fine-tuning language models; the library its chapters export. Importing this loads nothing heavy."
from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ft_course")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+uninstalled"
