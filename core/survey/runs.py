"""Run folders: surveys/NAME/runs/RUN_ID, whole or not there."""

from __future__ import annotations

import contextlib
import json
import platform
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

from core.errors import Damaged
from core.survey.partial import claim_partial, drop_abandoned, drop_partial, finish_partial
from core.survey.store import Survey
from core.vocabulary import JobKind, checked_name
from core.workspace import storage_errors

_PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "zarr",
    "torch",
    "scikit-learn",
    "modAL-python",
    "umap-learn",
    "pacmap",
    "openTSNE",
    "faiss-cpu",
    "astropy",
    "photutils",
    "scikit-image",
    "pillow",
)


@dataclass(frozen=True)
class RunRecord:
    """A finished run.

    Attributes
    ----------
    run_id, path
        Its name and folder.
    config
        The job's settings, as given to `RunFolder`.
    kind
        The job.
    record
        All of config.json: settings, seed, versions, survey and its hash, times, result.
    """

    run_id: str
    path: Path
    config: dict[str, Any]
    kind: JobKind
    record: dict[str, Any]


class RunFolder:
    """The folder of one run while it is being filled.

    with RunFolder(survey, JobKind.EMBED, {"seed": 0, ...}) as run:
        np.save(run.path / "embedding.npy", ...)
        run.result["n_objects"] = ...

    On a clean exit config.json is written and RUN_ID.partial renamed to RUN_ID. When an
    exception leaves the block, the partial folder is removed.

    Parameters
    ----------
    survey
        The survey that the run is about, or the surveys/NAME folder where none can be opened.
    kind
        The job.
    config
        Its settings, which must be JSON; an entry "seed" is recorded by itself, too.
    run_id
        A checked name; made from kind and time when left out.

    Raises
    ------
    AlreadyExists, InUse
        The run id is taken, or a living process works under it.
    StorageFull
        The disk is full.
    """

    def __init__(
        self,
        survey: Survey | Path,
        kind: JobKind,
        config: Mapping[str, Any],
        run_id: str | None = None,
    ) -> None:
        self.kind = JobKind(kind)
        self.started = datetime.now(UTC)
        self.run_id = checked_name(run_id or _new_run_id(self.kind, self.started), "run")
        self.result: dict[str, Any] = {}
        self._survey = survey
        self._config = json.loads(json.dumps(dict(config)))  # fails now rather than after hours
        self._final = _runs(survey) / self.run_id
        self._partial: Path | None = None

    @property
    def path(self) -> Path:
        """Where the run puts its files: RUN_ID.partial, and RUN_ID after the end."""
        return self._partial or self._final

    def __enter__(self) -> RunFolder:
        with storage_errors(self._final):
            self._partial = claim_partial(self._final, f"run {self.run_id!r}")
            # Each run has a new id, so nobody else would ever come to clean up after these.
            drop_abandoned(self._final.parent)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._partial is not None
        try:
            with storage_errors(self._final):
                if isinstance(error, OSError):
                    raise error  # a disk that filled up inside the block is told in words, too
                if error is None:
                    text = json.dumps(self._record(), indent=2, sort_keys=True)
                    (self._partial / "config.json").write_text(text + "\n", encoding="utf-8")
                    finish_partial(self._partial, self._final)
        finally:
            if not self._final.exists():
                drop_partial(self._partial, self._final.parents[1])
            self._partial = None

    def _record(self) -> dict[str, Any]:
        about = None
        if isinstance(self._survey, Survey):
            about = {
                "name": self._survey.name,
                "version": self._survey.version,
                "content_hash": self._survey.manifest.content_hash,
            }
        return {
            "run_id": self.run_id,
            "kind": self.kind.value,
            "config": self._config,
            "seed": self._config.get("seed"),
            "survey": about,
            "versions": versions(),
            "started": self.started.isoformat(),
            "finished": datetime.now(UTC).isoformat(),
            "result": self.result,
        }


def finished_runs(survey: Survey | Path, kind: JobKind | None = None) -> list[RunRecord]:
    """The finished runs of a survey, of one kind or all, the newest first.

    A run whose config.json cannot be read is left out; `damaged_runs` tells of it.
    """
    records = []
    for path in _run_folders(survey):
        with contextlib.suppress(Damaged):
            record = _read_record(path)
            if kind is None or record.kind == kind:
                records.append(record)
    return sorted(records, key=lambda r: (r.record["finished"], r.run_id), reverse=True)


def damaged_runs(survey: Survey | Path) -> list[str]:
    """A sentence for each run folder whose config.json is missing or cannot be read."""
    told = []
    for path in sorted(_run_folders(survey)):
        try:
            _read_record(path)
        except Damaged as error:
            told.append(str(error))
    return told


@cache
def versions() -> dict[str, str]:
    """Versions of Skysift, Python and the packages that results depend on."""
    found = {"skysift": _skysift_version(), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def _skysift_version() -> str:
    try:
        return metadata.version("skysift")
    except metadata.PackageNotFoundError:
        # Run from a checkout, which is not installed as a package.
        project = Path(__file__).parents[2] / "pyproject.toml"
        if not project.is_file():
            return "unknown"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def _runs(survey: Survey | Path) -> Path:
    return (survey.folder if isinstance(survey, Survey) else survey) / "runs"


def _run_folders(survey: Survey | Path) -> list[Path]:
    folder = _runs(survey)
    if not folder.is_dir():
        return []
    return [one for one in folder.iterdir() if one.is_dir() and one.suffix != ".partial"]


def _new_run_id(kind: JobKind, moment: datetime) -> str:
    # The random tail keeps two runs of one second apart.
    return f"{kind.value}-{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _read_record(path: Path) -> RunRecord:
    config_path = path / "config.json"
    try:
        record = json.loads(config_path.read_text(encoding="utf-8"))
        run = RunRecord(path.name, path, dict(record["config"]), JobKind(record["kind"]), record)
        datetime.fromisoformat(record["finished"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"The run {path.name} is left out, since {config_path} {_why_unread(error)}; restore"
            " it from a backup, or remove the folder and run the job again."
        ) from None
    return run


def _why_unread(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is not there"
    return "cannot be read" if isinstance(error, OSError) else "is no record of a run"
