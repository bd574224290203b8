"""What every test shares: the order of the files, and one thread a library.

Both are to be kind to two cores.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "2")

_MAIN = sys.modules["__main__"]
BROWSER = Path(__file__).parent / "browser"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files with a browser evenly over the first four fifths of a run, longest first.

    Side by side they starve each other of the processor and fail for want of time; one that
    comes last is waited for by nobody but the clock.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    with_browser = sorted((f for f in files if BROWSER in f.parents), key=lambda f: -len(files[f]))
    others = [file for file in files if file not in with_browser]
    step = 0.8 * len(others) / max(1, len(with_browser))
    places = {file: number * step for number, file in enumerate(with_browser)}
    places |= {file: float(number) for number, file in enumerate(others)}
    items[:] = [item for file in sorted(files, key=places.__getitem__) for item in files[file]]


@pytest.fixture(autouse=True)
def the_main_program() -> Iterator[None]:
    """Streamlit's AppTest leaves its page behind as the main program, and a process that is
    spawned later in the same worker would run that page first."""
    sys.modules["__main__"] = _MAIN
    yield
    sys.modules["__main__"] = _MAIN
