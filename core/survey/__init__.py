"""Surveys on disk: import, open, read, and the runs that belong to them."""

from typing import TYPE_CHECKING, Any

from core.survey.astrometry import Astrometry, sky_positions
from core.survey.batch import Batch, Reject
from core.survey.importing import import_folder, import_survey
from core.survey.manifest import Manifest
from core.survey.readers import READERS, Reader, register_reader
from core.survey.runs import RunFolder, RunRecord, finished_runs, versions
from core.survey.store import Survey, list_surveys
from core.survey.writer import SurveyWriter

if TYPE_CHECKING:
    from core.survey.demos import DEMOS, build_demo

__all__ = [
    "DEMOS",
    "READERS",
    "Astrometry",
    "Batch",
    "Manifest",
    "Reader",
    "Reject",
    "RunFolder",
    "RunRecord",
    "Survey",
    "SurveyWriter",
    "build_demo",
    "finished_runs",
    "import_folder",
    "import_survey",
    "list_surveys",
    "register_reader",
    "sky_positions",
    "versions",
]


def __getattr__(name: str) -> Any:
    # The demos pull in photutils and astropy, a second that opening a survey need not pay.
    if name in ("DEMOS", "build_demo"):
        from core.survey import demos

        return getattr(demos, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
