"""`python -m benchmarks CASE` (or `make bench CASE=name`): runs one side-by-side measurement and prints one JSON line."""
import importlib
import sys
from pathlib import Path

CASES = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in CASES:
        sys.exit(f"say which case: make bench CASE={'|'.join(CASES)}")
    importlib.import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])


if __name__ == "__main__": main()
