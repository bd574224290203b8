"""A survey of a million objects, made for the benchmarks of the label page."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.common import arguments
from core.representation import DEFAULT_ENCODER
from core.survey import Batch, RunFolder, Survey, SurveyWriter, list_surveys
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

NAME = "million"
SIDE_PX = 24
PATTERNS = 4096
BATCH = 4096
DIMENSIONS = 32
SEED = 0


def make(workspace: Workspace, n_objects: int = 1_000_000) -> Survey:
    """The survey `million`, embedded and mapped; made anew only if it is not there.

    Its pictures are `PATTERNS` different galaxies with one or two nuclei, used again and again;
    its embedding says which pattern an object has, with noise. No picture is learnt from: what
    is timed is the label page, not the search.
    """
    if NAME in list_surveys(workspace):
        return Survey.open(workspace, NAME)
    rng = np.random.default_rng(SEED)
    patterns, features = _patterns(rng)
    with SurveyWriter(
        workspace,
        NAME,
        bands=("R", "G", "B"),
        cutout_size_px=SIDE_PX,
        dtype="uint8",
        origin="benchmarks/big_survey.py",
        licence="none needed",
        pixel_scale_arcsec=0.4,
    ) as writer:
        for start in range(0, n_objects, BATCH):
            rows = range(start, min(start + BATCH, n_objects))
            sky = rng.uniform((0.0, -60.0), (360.0, 60.0), (len(rows), 2)).round(6).tolist()
            writer.append(
                Batch(
                    [f"obj{row:07d}" for row in rows],
                    patterns[np.arange(rows.start, rows.stop) % PATTERNS],
                    [
                        {"ra": ra, "dec": dec, "z": 0.1, "mag": row % 9 + 14.5}
                        for row, (ra, dec) in zip(rows, sky, strict=True)
                    ],
                )
            )
        survey = writer.commit()
    values = features[np.arange(n_objects) % PATTERNS]
    values = values + rng.normal(0, 0.5, values.shape).astype(np.float32)
    config = {"encoder": DEFAULT_ENCODER, "survey_version": survey.version}
    with RunFolder(survey, JobKind.EMBED, config) as run:
        np.save(run.path / "embedding.npy", values)
        np.save(run.path / "mask.npy", np.ones(n_objects, bool))
        embedding_run = run.run_id
    config = {"projection": "umap", "embedding_run": embedding_run}
    with RunFolder(survey, JobKind.MAP, config) as run:
        np.save(run.path / "map.npy", values[:, :2])
    return survey


def _patterns(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(PATTERNS, 3, y, x) uint8 pictures and (PATTERNS, DIMENSIONS) float32 features."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] - (SIDE_PX - 1) / 2
    width = rng.uniform(1.5, 5, PATTERNS)
    ratio = rng.uniform(1, 2, PATTERNS)
    turn = rng.uniform(0, 2 * np.pi, PATTERNS)
    second = (rng.random(PATTERNS) < 0.1) * rng.uniform(0.3, 1, PATTERNS)
    colour = rng.uniform(0.5, 1, (PATTERNS, 3))
    radius = np.hypot(x[None], y[None] * ratio[:, None, None])
    light = 200 * np.exp(-radius / width[:, None, None])
    dx = x[None] - 5 * np.cos(turn)[:, None, None]
    dy = y[None] - 5 * np.sin(turn)[:, None, None]
    light += 180 * second[:, None, None] * np.exp(-(dx**2 + dy**2) / 4)
    noise = rng.normal(14, 3, (PATTERNS, 3, SIDE_PX, SIDE_PX))
    pictures = light[:, None] * colour[:, :, None, None] + noise
    known = np.column_stack([width, ratio, second * 8, colour * 4])
    spread = rng.normal(0, 1, (known.shape[1], DIMENSIONS)) / np.sqrt(known.shape[1])
    return np.clip(pictures, 0, 255).astype(np.uint8), (known @ spread).astype(np.float32)


def big_survey_arguments(description: str | None) -> argparse.ArgumentParser:
    """The arguments of benchmarks that need the survey."""
    parser = arguments(description)
    parser.add_argument("--objects", type=int, default=1_000_000)
    return parser


def main() -> None:
    a = big_survey_arguments(__doc__).parse_args()
    survey = make(open_workspace(Path(a.workspace)), a.objects)
    print(f"{survey.name}: {len(survey):,} objects in {survey.path}")


if __name__ == "__main__":
    main()
