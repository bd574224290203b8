"""Surveys on disk: import, open, read, and the runs that belong to them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.survey.astrometry import Astrometry, sky_positions
from core.survey.batch import Batch, Reject, Spectrum
from core.survey.layout import ColumnInfo, Layout
from core.survey.manifest import Manifest
from core.survey.options import ImportOptions
from core.survey.runs import RunFolder, RunRecord, damaged_runs, finished_runs, versions
from core.survey.store import Survey, list_surveys, newest_version
from core.survey.unit import Unit
from core.survey.writer import SurveyWriter

if TYPE_CHECKING:
    from core.survey.demos import DEMOS, build_demo
    from core.survey.job import import_folder, import_record, import_survey
    from core.survey.previewing import preview
    from core.survey.readers import READERS, Reader, make_reader, register_reader

__all__ = [
    "DEMOS",
    "READERS",
    "Astrometry",
    "Batch",
    "ColumnInfo",
    "ImportOptions",
    "Layout",
    "Manifest",
    "Reader",
    "Reject",
    "RunFolder",
    "RunRecord",
    "Spectrum",
    "Survey",
    "SurveyWriter",
    "Unit",
    "build_demo",
    "damaged_runs",
    "finished_runs",
    "import_folder",
    "import_record",
    "import_survey",
    "list_surveys",
    "make_reader",
    "newest_version",
    "preview",
    "register_reader",
    "sky_positions",
    "versions",
]


_LATER = {
    "core.survey.demos": ("DEMOS", "build_demo"),
    "core.survey.job": ("import_folder", "import_record", "import_survey"),
    "core.survey.previewing": ("preview",),
    "core.survey.readers": ("READERS", "Reader", "make_reader", "register_reader"),
}
"""What opening a survey need not wait for: photutils and astropy, and every reader there is."""


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
