"""Who may import whom: the walls of ARCHITECTURE.md, read off every import of the tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BASE = {
    "core.vocabulary",
    "core.errors",
    "core.config",
    "core.workspace",
    "core.progress",
    "core.csvsafe",
    "core.niceness",
}
ROOMS: dict[str, set[str]] = {
    "core.metrics": set(),
    "core.measure": set(),
    "core.mapping": set(),
    "core.spectra": set(),
    "core.display": {"core.measure", "core.spectra"},
    "core.survey": {"core.measure", "core.spectra", "core.display"},
    "core.representation": {
        "core.survey",
        "core.measure",
        "core.spectra",
        "core.mapping",
        "core.metrics",
    },
    "core.discovery": {"core.representation", "core.mapping", "core.metrics"},
    "core.finders": {"core.measure", "core.spectra", "core.representation", "core.metrics"},
    "core.export": {"core.survey", "core.discovery"},
    "core.exchange": set(),
    "labels_db": set(),
}
RUN = {
    "core.run",
    "core.run_jobs",
    "core.run_worker",
    "core.run_care",
    "core.run_labels",
    "core.run_people",
    "core.run_data",
    "core.run_columns",
    "core.run_quality",
    "core.run_compress",
    "core.run_describe",
    "core.run_detect",
    "core.run_import",
    "core.run_measure",
    "core.run_pretrain",
    "core.run_embed",
    "core.run_map",
    "core.run_map_before",
    "core.run_neighbours",
    "core.run_discovery",
    "core.run_examples",
    "core.run_followed",
    "core.run_group",
    "core.run_pictures",
    "core.run_refine",
    "core.run_refine_checks",
    "core.run_refine_work",
    "core.run_reliability",
    "core.run_simulate",
    "core.run_taught",
    "core.run_teaching",
}
RUN_INSIDES = {
    "core.run_pretrain",
    "core.run_embed",
    *("core.run_jobs", "core.run_worker", "core.run_care", "core.run_people"),
    *("core.run_data", "core.run_columns", "core.run_import", "core.run_compress"),
    "core.run_quality",
    *("core.run_refine", "core.run_refine_checks", "core.run_refine_work"),
    *("core.run_reliability", "core.run_simulate"),
}
EVERYTHING_IN_CORE = set(ROOMS) | RUN


def room_of(module: str) -> str:
    """`core.survey.store` -> `core.survey`; `pages.label` -> `pages`; outside -> ''."""
    parts = module.split(".")
    if parts[0] == "core":
        return ".".join(parts[:2])
    return parts[0] if parts[0] in {"labels_db", "pages", "app", "tests", "benchmarks"} else ""


def allowed(room: str, wanted: str) -> bool:
    """Whether a module of `room` may import from `wanted` (both as `room_of` names them)."""
    if wanted in ("", room) or wanted in BASE or wanted == "core":
        return True
    if room in BASE:
        return False
    if room in RUN:
        return wanted in EVERYTHING_IN_CORE
    if room in ("pages", "app"):
        return wanted in (EVERYTHING_IN_CORE - RUN_INSIDES) | {"pages"}
    if room in ("tests", "benchmarks"):
        return wanted != "tests" or room == "tests"
    return wanted in ROOMS[room]


def imports(path: Path) -> set[str]:
    """Absolute module names that a file imports, wherever in it the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} line {node.lineno}: use absolute imports"
            module = node.module or ""
            # `from core import survey` names a room; `from core.survey import Survey` does not.
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def sources() -> list[Path]:
    folders = ["core", "labels_db", "pages"]
    return [ROOT / "app.py", *(p for f in folders for p in sorted((ROOT / f).rglob("*.py")))]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_file_imports_only_what_its_room_may(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    room = room_of(module)
    assert room in EVERYTHING_IN_CORE | BASE | {"core", "pages", "app"}, (
        f"{module} is in no room of ARCHITECTURE.md"
    )
    for wanted in sorted(imports(path)):
        assert allowed(room, room_of(wanted)), f"{module} may not import {wanted}"
        if room.startswith("core") or room == "labels_db":
            assert wanted.split(".")[0] not in {"streamlit", "pages", "app"}, (
                f"{module} may not import {wanted}: what computes knows no browser"
            )


@pytest.mark.parametrize(
    ("room", "wanted", "expected"),
    [
        ("core.metrics", "core.survey", False),
        ("core.survey", "core.representation", False),
        ("core.discovery", "labels_db", False),
        ("core.discovery", "core.survey", False),
        ("labels_db", "core.survey", False),
        ("core.export", "labels_db", False),
        ("core.exchange", "core.survey", False),
        ("core.run", "labels_db", True),
        ("core.run", "pages", False),
        ("pages", "core.run_worker", False),
        ("pages", "core.run", True),
        ("pages", "core.run_labels", True),
        ("core.config", "core.survey", False),
        ("core.survey", "core.errors", True),
    ],
)
def test_the_table_itself(room, wanted, expected):
    assert allowed(room, wanted) is expected
