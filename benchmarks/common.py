"""Tables, JSON and the workspace that the benchmarks share."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import NotReady
from core.representation import Embedding, load_embedding
from core.run import embed_survey, prepare_demo
from core.survey import Survey
from core.workspace import Workspace, open_workspace

RESULTS = Path(__file__).parent / "results"


def arguments(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--workspace",
        default=str(Path(tempfile.gettempdir()) / "skysift-benchmarks"),
        help="where the embedded surveys are made (kept for the next benchmark)",
    )
    return parser


def demo_workspace(path: str, *names: str) -> Workspace:
    """A workspace with the named embedded surveys, embedded."""
    workspace = open_workspace(path)
    for name in names:
        prepare_demo(workspace, name)
    return workspace


def embedding_of(workspace: Workspace, name: str, encoder: str) -> Embedding:
    """The survey's embedding by `encoder`, made if it is not there."""
    try:
        return load_embedding(Survey.open(workspace, name), encoder)
    except NotReady:
        embed_survey(workspace, name, encoder)
        return load_embedding(Survey.open(workspace, name), encoder)


def report(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], settings: dict[str, Any]
) -> None:
    """Print a Markdown table and write it, with settings and machine, to results/NAME.json."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(c), *(len(r[i]) for r in cells)) for i, c in enumerate(columns)]
    print("| " + " | ".join(c.ljust(w) for c, w in zip(columns, widths, strict=True)) + " |")
    print("|" + "|".join("-" * (w + 2) for w in widths) + "|")
    for row in cells:
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |")
    RESULTS.mkdir(exist_ok=True)
    written = {
        "benchmark": name,
        "columns": list(columns),
        "rows": [list(row) for row in rows],
        "settings": settings,
        "machine": {"cores": os.cpu_count(), "system": platform.platform()},
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(written, indent=1) + "\n")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)
