"""What every test shares: one thread a library, so that a test run is kind to two cores."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "2")

_MAIN = sys.modules["__main__"]


@pytest.fixture(autouse=True)
def the_main_program() -> Iterator[None]:
    """Streamlit's AppTest leaves its page behind as the main program, and a process that is
    spawned later in the same worker would run that page first."""
    sys.modules["__main__"] = _MAIN
    yield
    sys.modules["__main__"] = _MAIN
