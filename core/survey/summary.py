"""What a survey holds, at a glance: counts, columns, sky, pixels, and what looks wrong.

Counts, columns and the sky are of all objects; pixels and spectra of a seeded sample.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from core.measure.morphology import FLAGS
from core.survey.astrometry import POSITION_COLUMNS, WCS_COLUMNS, SkyColumns, sky_positions
from core.survey.catalogue import read_column_info
from core.survey.sky_coverage import SkyCoverage, sky_coverage
from core.survey.store import Survey
from core.survey.summary_columns import (
    ColumnSummary,
    count_groups,
    ids_at,
    reject_reasons,
    summarise_columns,
)
from core.survey.summary_pixels import BandSummary, FlagRows, Odd, sample_pixels
from core.survey.summary_spectra import SpectraSummary, sample_spectra

__all__ = ["FlagCount", "Summary", "Suspicion", "kept_summary", "summarise"]

SUMMARY_FORMAT = 3
"""Raised when kept summaries of before no longer say what is shown."""

MAX_SUSPICIOUS = 100
N_EXAMPLES = 24


@dataclass(frozen=True)
class Suspicion:
    """An object that is worth a look before anybody trusts the survey, and why."""

    object_id: str
    reason: str


@dataclass(frozen=True)
class FlagCount:
    """An artefact flag, what it means, how many of the measured pictures have it, and the ids of
    the first of them."""

    name: str
    meaning: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """See the module.

    Attributes
    ----------
    survey, version, content_hash
        What was summarised.
    sample, seed
        At most so many objects were measured, chosen by this seed.
    modalities
        What its objects have.
    n_objects, n_rejects, n_groups
        Counts; as many groups as objects where none is a view of the same thing as another.
    n_images, n_spectra, n_positions
        Objects that have one.
    reject_reasons
        Reasons in general words with how often, the most frequent first.
    columns
        Of the catalogue.
    sky
        None where no object has a position.
    n_measured
        Objects whose pixels were measured.
    bands
        Their pixels; empty without pictures.
    spectra
        None without spectra.
    suspicious_counts
        Reasons in general words with how many of the sample.
    suspicious
        The first hundred of these objects.
    flags
        Artefact flags (`core.measure.morphology`), each with its count; empty without pictures.
    examples
        Ids of some objects, chosen by the seed.
    seconds
        What it took.
    """

    survey: str
    version: int
    content_hash: str
    sample: int
    seed: int
    modalities: tuple[str, ...]
    n_objects: int
    n_rejects: int
    n_groups: int
    n_images: int
    n_spectra: int
    n_positions: int
    reject_reasons: tuple[tuple[str, int], ...]
    columns: tuple[ColumnSummary, ...]
    sky: SkyCoverage | None
    n_measured: int
    bands: tuple[BandSummary, ...]
    spectra: SpectraSummary | None
    suspicious_counts: tuple[tuple[str, int], ...]
    suspicious: tuple[Suspicion, ...]
    flags: tuple[FlagCount, ...]
    examples: tuple[str, ...]
    seconds: float
    format: int = SUMMARY_FORMAT

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it; numbers that are not finite become None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> Summary:
        """The reverse of `as_dict`; raises TypeError, ValueError or KeyError."""
        tuples: dict[str, Any] = {name: _tupled(value) for name, value in said.items()}
        tuples["columns"] = tuple(ColumnSummary(**_kept(one)) for one in said["columns"])
        tuples["bands"] = tuple(BandSummary(**_kept(one)) for one in said["bands"])
        tuples["suspicious"] = tuple(Suspicion(**_kept(one)) for one in said["suspicious"])
        tuples["flags"] = tuple(FlagCount(**_kept(one)) for one in said["flags"])
        if said["sky"] is not None:
            tuples["sky"] = SkyCoverage(**_kept(said["sky"]))
        if said["spectra"] is not None:
            tuples["spectra"] = SpectraSummary(**_kept(said["spectra"]))
        return cls(**tuples)


def summarise(survey: Survey, *, sample: int = 2000, seed: int = 0) -> Summary:
    """The summary of a survey version; made once and kept beside the versions.

    Parameters
    ----------
    survey
        An open version of a survey.
    sample
        How many objects' pixels and spectra are read at most.
    seed
        Which ones.
    """
    kept = kept_summary(survey, sample=sample, seed=seed)
    if kept is not None:
        return kept
    made = _summarised(survey, sample, seed)
    # Read-only or full disks cost the next one a few seconds, and nobody the summary.
    with contextlib.suppress(OSError):
        _keep(survey, made)
    return made


def kept_summary(survey: Survey, *, sample: int = 2000, seed: int = 0) -> Summary | None:
    """The summary that was kept of this very version, None if there is none that can be used."""
    try:
        text = _path(survey).read_text(encoding="utf-8")
        found = Summary.from_dict(json.loads(text))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    wanted = (SUMMARY_FORMAT, survey.manifest.content_hash, sample, seed)
    if (found.format, found.content_hash, found.sample, found.seed) != wanted:
        return None
    return found


def _summarised(survey: Survey, sample: int, seed: int) -> Summary:
    began = time.monotonic()
    catalogue = survey.path / "catalogue.parquet"
    n = len(survey)
    with_image = survey.has_image
    with_spectrum = survey.has_spectrum
    places = _positions(survey, catalogue)
    sky = None
    if places is not None:
        sky = sky_coverage(*places, lambda rows: ids_at(catalogue, rows), seed=seed)
    pixels = sample_pixels(survey, _chosen(np.flatnonzero(with_image), sample, seed), seed)
    spectra, odd_spectra = sample_spectra(
        survey, _chosen(np.flatnonzero(with_spectrum), sample, seed)
    )
    odd = [*pixels.odd, *odd_spectra]
    shown = np.flatnonzero(with_image) if with_image.any() else np.arange(n)
    examples = _chosen(shown, N_EXAMPLES, seed + 1)
    return Summary(
        survey=survey.name,
        version=survey.version,
        content_hash=survey.manifest.content_hash,
        sample=sample,
        seed=seed,
        modalities=survey.manifest.modalities,
        n_objects=n,
        n_rejects=survey.manifest.n_rejects,
        n_groups=count_groups(catalogue),
        n_images=int(with_image.sum()),
        n_spectra=int(with_spectrum.sum()),
        n_positions=sky.n_positions if sky else 0,
        reject_reasons=reject_reasons(survey.path / "rejects.csv"),
        columns=summarise_columns(catalogue, read_column_info(catalogue)),
        sky=sky,
        n_measured=pixels.n_objects,
        bands=pixels.bands,
        spectra=spectra,
        suspicious_counts=tuple(Counter(one.kind for one in odd).most_common()),
        suspicious=_named(catalogue, odd[:MAX_SUSPICIOUS]),
        flags=tuple(_counted(catalogue, one) for one in pixels.flags),
        examples=tuple(ids_at(catalogue, examples)),
        seconds=round(time.monotonic() - began, 2),
    )


def _chosen(rows: np.ndarray, n: int, seed: int) -> np.ndarray:
    """At most `n` of the rows, sorted; the same for the same seed."""
    if rows.size <= n:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, n, replace=False))


def _positions(survey: Survey, catalogue: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Right ascension and declination, from the columns that may hold them and no others."""
    wanted = {name for pair in POSITION_COLUMNS for name in pair} | set(WCS_COLUMNS)
    names = [name for name in pq.read_schema(catalogue).names if name.lower() in wanted]
    if not names:
        return None
    table = pq.read_table(catalogue, columns=names, page_checksum_verification=True)
    frame = pd.DataFrame({name: table.column(name).to_pandas() for name in names})
    columns = SkyColumns(frame)
    if columns.ra is not None and columns.dec is not None:
        return columns.ra, columns.dec
    return None if columns.wcs is None else sky_positions(survey)


def _named(catalogue: Path, odd: Sequence[Odd]) -> tuple[Suspicion, ...]:
    rows = np.unique([row for one in odd for row in (one.row, one.twin) if row is not None])
    ids = dict(zip(rows.tolist(), ids_at(catalogue, rows), strict=True))
    return tuple(
        Suspicion(
            ids[one.row], one.reason if one.twin is None else f"{one.reason} {ids[one.twin]}"
        )
        for one in odd
    )


def _counted(catalogue: Path, flag: FlagRows) -> FlagCount:
    meaning = next(one.meaning for one in FLAGS if one.name == flag.name)
    examples = ids_at(catalogue, np.array(flag.rows, np.int64)) if flag.rows else []
    return FlagCount(flag.name, meaning, flag.count, tuple(examples))


def _path(survey: Survey) -> Path:
    return survey.folder / "summaries" / f"{survey.version}.json"


def _keep(survey: Survey, summary: Summary) -> None:
    path = _path(survey)
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        text = json.dumps(summary.as_dict(), allow_nan=False)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(one) for one in value) if isinstance(value, list) else value


def _kept(said: dict[str, Any]) -> dict[str, Any]:
    return {name: _tupled(value) for name, value in said.items()}
