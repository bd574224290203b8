"""The survey `simulated`: cutouts like those of SDSS with known rare objects among them.

4,000 objects in g, r, i at 0.396 arcsec a pixel, in nanomaggies: ordinary galaxies and stars,
dual nuclei (1.5 %), ten confusers to each of them, lens-like arcs (0.5 %) and artefacts (1 %).
What each object is stands in a truth file outside the survey, for the oracle only.
The recipe is fixed: benchmarks refer to it. Its parts: `_population`, `_rarities`, `_profiles`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.progress import Progress, silent
from core.survey.batch import Batch, CatalogueValue
from core.survey.demos._population import Scene, draw_neighbours, draw_ordinary
from core.survey.demos._profiles import Psf, double_gaussian_psf, render, render_painted
from core.survey.demos._rarities import CONFUSERS, ArtefactPixels, artefact, dual_nucleus, lens
from core.survey.store import Survey
from core.survey.writer import SurveyWriter
from core.workspace import Workspace, storage_errors

NAME = "simulated"
BANDS = ("g", "r", "i")
PIXEL_SCALE_ARCSEC = 0.396
SIZE_PX = 64
N_OBJECTS = 4000
DEMO_SEED = 20240229

DUAL_SHARE, CONFUSERS_PER_DUAL, LENS_SHARE, ARTEFACT_SHARE = 0.015, 10, 0.005, 0.01

FWHM_R_ARCSEC = (1.2, 1.6)
FWHM_BY_BAND = np.array([1.055, 1.0, 0.96])
"""Seeing falls with wavelength to the power -1/5 (Kolmogorov)."""

SKY_SIGMA = np.array([0.040, 0.048, 0.083])
"""Sky noise per pixel, nanomaggies: a point source of g 22.2, r 22.0, i 21.4 is 5 sigma at
a FWHM of 1.4 arcsec, the depth of SDSS."""

ELECTRONS_PER_NANOMAGGY = np.array([900.0, 950.0, 780.0])
"""Gain times exposure of SDSS's drift scan (54 s); gives the shot noise of the objects."""

APERTURE_ARCSEC = 4.0
COLOUR_APERTURE_ARCSEC = 1.5
_BATCH = 250
_ID_RANGE = 1_000_000


class Label(StrEnum):
    """The labels of the truth file."""

    DUAL = "dual_nucleus"
    LENS = "lens"
    ARTEFACT = "artefact"
    CONFUSER = "confuser"
    ORDINARY = "ordinary"


@dataclass(frozen=True)
class TruthRow:
    """What an object is; separation (PSF FWHM in r) and flux ratio for dual nuclei only."""

    object_id: str
    label: Label
    separation_fwhm: float | None = None
    flux_ratio: float | None = None


@dataclass(frozen=True)
class SimulatedBatch:
    """Some objects in row order.

    Attributes
    ----------
    object_ids
        Unique, from a shuffled number: says nothing about the object.
    images
        (B, band, y, x) float32, nanomaggies per pixel, sky subtracted, bands g, r, i.
    columns
        What a survey's catalogue would have: psf_fwhm_arcsec (r), and mag_r, g_r, r_i measured
        on the noisy pixels (None where the aperture holds no flux).
    truth
        What each object is; for the oracle only.
    """

    object_ids: list[str]
    images: np.ndarray
    columns: list[dict[str, CatalogueValue]]
    truth: list[TruthRow]


@dataclass(frozen=True)
class Assignment:
    """What a row is to be: the number within the label deals out its sorts in equal shares."""

    object_id: str
    label: Label
    number: int


def build_simulated(
    workspace: Workspace,
    *,
    progress: Progress = silent,
    seed: int = DEMO_SEED,
    n_objects: int = N_OBJECTS,
) -> Survey:
    """Make the survey `simulated` and its truth file.

    The truth gets its name only after the survey has: there is never a truth without a survey.
    """
    truth_path = workspace.truth(NAME)
    partial = truth_path.with_name(truth_path.name + ".partial")
    with SurveyWriter(
        workspace,
        NAME,
        bands=BANDS,
        cutout_size_px=SIZE_PX,
        dtype="float32",
        origin=f"Simulated by Skysift: SDSS-like cutouts, seed {seed}; no real sky.",
        licence="CC0 1.0: made by a program, free for any use.",
        pixel_scale_arcsec=PIXEL_SCALE_ARCSEC,
    ) as writer:
        truth: list[TruthRow] = []
        for batch in simulate_cutouts(n_objects, seed=seed):
            writer.append(Batch(batch.object_ids, batch.images, batch.columns))
            truth.extend(batch.truth)
            progress(len(truth) / n_objects, f"Simulated {len(truth):,} of {n_objects:,} objects.")
        with storage_errors(truth_path):
            try:
                _write_truth(partial, truth)
                survey = writer.commit()
                partial.replace(truth_path)
            finally:
                partial.unlink(missing_ok=True)
    return survey


def _write_truth(path: Path, truth: list[TruthRow]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("object_id", "label", "separation_fwhm", "flux_ratio"))
        for row in truth:
            numbers = (row.separation_fwhm, row.flux_ratio)
            cells = ["" if number is None else f"{number:.4f}" for number in numbers]
            writer.writerow((row.object_id, row.label, *cells))
        file.flush()
        os.fsync(file.fileno())


def class_counts(n_objects: int) -> dict[Label, int]:
    """Return how many objects of each label a survey of this size has."""
    dual = round(DUAL_SHARE * n_objects)
    counts = {
        Label.DUAL: dual,
        Label.CONFUSER: CONFUSERS_PER_DUAL * dual,
        Label.LENS: round(LENS_SHARE * n_objects),
        Label.ARTEFACT: round(ARTEFACT_SHARE * n_objects),
    }
    return counts | {Label.ORDINARY: n_objects - sum(counts.values())}


def deal_out(n_objects: int, seed: int) -> list[Assignment]:
    """Shuffle the labels over the rows and give each row an id by a draw of its own."""
    rng = np.random.default_rng(seed)
    labels = [
        (label, number)
        for label, count in class_counts(n_objects).items()
        for number in range(count)
    ]
    shuffled = rng.permutation(n_objects)
    id_numbers = rng.choice(_ID_RANGE, n_objects, replace=False)
    return [
        Assignment(f"SIM-J{id_number:06d}", *labels[position])
        for position, id_number in zip(shuffled, id_numbers, strict=True)
    ]


def simulate_cutouts(
    n_objects: int = N_OBJECTS, *, seed: int = DEMO_SEED, size_px: int = SIZE_PX
) -> Iterator[SimulatedBatch]:
    """Yield the simulated survey in batches of up to 250 objects.

    The same arguments give the same bytes on the same machine and numpy. Each object has its
    own random generator from (seed, row), so that no object depends on another.

    Raises
    ------
    BadInput
        Fewer than one or more than a million objects, a negative seed, or a cutout of under 16
        pixels.
    """
    if not (1 <= n_objects <= _ID_RANGE and seed >= 0 and size_px >= 16):
        raise BadInput(
            f"A simulated survey has 1 to {_ID_RANGE:,} objects of 16 pixels or more and a seed of"
            f" 0 or more, but got {n_objects} objects, {size_px} pixels, seed {seed}; change that."
        )
    plan = deal_out(n_objects, seed)
    for start in range(0, n_objects, _BATCH):
        rows = range(start, min(start + _BATCH, n_objects))
        ids = [plan[row].object_id for row in rows]
        images = np.empty((len(rows), len(BANDS), size_px, size_px), dtype=np.float32)
        columns: list[dict[str, CatalogueValue]] = []
        truth: list[TruthRow] = []
        for i, row in enumerate(rows):
            rng = np.random.default_rng([seed, row])
            what = plan[row]
            psf = _draw_psf(rng)
            scene, spoil, separation, ratio = _draw_scene(rng, what, float(psf.fwhm_arcsec[1]))
            images[i] = _expose(rng, scene, psf, size_px, spoil)
            columns.append(_measure(images[i], psf))
            truth.append(TruthRow(ids[i], what.label, separation, ratio))
        yield SimulatedBatch(ids, images, columns, truth)


def _draw_psf(rng: np.random.Generator) -> Psf:
    fwhm = rng.uniform(*FWHM_R_ARCSEC) * FWHM_BY_BAND
    ellipticity = min(float(rng.rayleigh(0.03)), 0.12)
    return double_gaussian_psf(fwhm, ellipticity, float(rng.uniform(0, np.pi)))


def _draw_scene(
    rng: np.random.Generator, what: Assignment, fwhm_arcsec: float
) -> tuple[Scene, ArtefactPixels | None, float | None, float | None]:
    match what.label:
        case Label.DUAL:
            scene, separation, ratio = dual_nucleus(rng, fwhm_arcsec)
            return scene, None, separation, ratio
        case Label.CONFUSER:
            recipe = CONFUSERS[what.number % len(CONFUSERS)]
            return recipe(rng, fwhm_arcsec), None, None, None
        case Label.LENS:
            return lens(rng), None, None, None
        case Label.ARTEFACT:
            scene, spoil = artefact(rng, what.number % 3)
            return scene, spoil, None, None
        case _:
            return draw_ordinary(rng), None, None, None


def _expose(
    rng: np.random.Generator,
    scene: Scene,
    psf: Psf,
    size_px: int,
    spoil: ArtefactPixels | None,
) -> np.ndarray:
    """Return the noisy image (band, y, x) of a scene with its chance neighbours."""
    half_width = size_px * PIXEL_SCALE_ARCSEC / 2
    components = scene.components + draw_neighbours(rng, half_width)
    image = np.zeros((len(BANDS), size_px, size_px), dtype=np.float32)
    if components:
        image += render(components, psf, size_px, PIXEL_SCALE_ARCSEC)
    for painted in scene.painted:
        image += render_painted(painted, psf, size_px, PIXEL_SCALE_ARCSEC)
    # Thousands of sky electrons a pixel: the Poisson distribution is a Gaussian here.
    variance = (SKY_SIGMA**2)[:, None, None] + np.maximum(image, 0) / (
        ELECTRONS_PER_NANOMAGGY[:, None, None]
    )
    image += rng.standard_normal(image.shape, dtype=np.float32) * np.sqrt(variance).astype("f4")
    if spoil is not None:
        image = spoil(image, SKY_SIGMA, float(psf.fwhm_arcsec[1]) / PIXEL_SCALE_ARCSEC)
    return image


def _measure(image: np.ndarray, psf: Psf) -> dict[str, CatalogueValue]:
    """Return the catalogue entries, read off the noisy image (band, y, x)."""
    axis = (np.arange(image.shape[-1]) - (image.shape[-1] - 1) / 2) * PIXEL_SCALE_ARCSEC
    radius = np.hypot(axis[:, None], axis[None, :])
    total_r = float(image[1][radius < APERTURE_ARCSEC].sum(dtype=float))
    inner = image[:, radius < COLOUR_APERTURE_ARCSEC].sum(axis=1, dtype=float)
    g, r, i = _magnitudes(inner)
    return {
        "psf_fwhm_arcsec": round(float(psf.fwhm_arcsec[1]), 3),
        "mag_r": _rounded(_magnitudes(np.array([total_r]))[0]),
        "g_r": _rounded(g - r),
        "r_i": _rounded(r - i),
    }


def _magnitudes(fluxes: np.ndarray) -> np.ndarray:
    positive = np.where(fluxes > 0, fluxes, np.nan)
    return 22.5 - 2.5 * np.log10(positive)


def _rounded(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
