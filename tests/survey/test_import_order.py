"""Modules that use each other can be imported in any order."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "core.survey.sky.queries",
        "core.survey.sky.services.legacy",
        "core.survey.sky.frame_store",
        "core.survey.mosaics.tiles",
        "core.survey.readers",
    ],
)
def test_it_can_be_the_first(module):
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
