"""Sets with a rare class on which searches are compared: features and truth, nothing else.

Anything may be tuned on DEVELOPMENT. EARLIER told on versions 0.7 and 0.8 and is known since: what
is settled by both is told on REPORT, which is looked at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.backbone_sets import labelled_set
from benchmarks.common import embedding_of
from core.errors import NotReady
from core.representation import DEFAULT_ENCODER
from core.survey import Survey, build_demo, list_surveys
from core.workspace import Workspace, open_workspace

MOST_ROWS = 12_000
"""Of a table: above it, ordinary rows at random are left out, always the same ones."""

RARE = 0.02
"""Share of a class that is made rare."""

FEWEST = 10
"""Targets that are left of it at least."""

OTHER_SEED, THIRD_SEED = 20250301, 20261126
"""Of other simulated surveys."""

MOTIONS = ("pmra", "pmdec", "parallax", "z", "z_err", "ebv", "rchi2")
MISSING = (-10, -999, -9999)
"""Codes of the table for what was not measured."""


@dataclass(frozen=True)
class RareSet:
    """Objects and which of them are targets.

    Attributes
    ----------
    features
        (N, D) float32, NaN where a value is missing.
    is_target
        (N,) bool
    n_targets
        How many of the targets take part in a start; the others are left out of it.
    survey
        Whose rows they are, where they are pictures.
    """

    features: NDArray[np.float32]
    is_target: NDArray[np.bool_]
    n_targets: int
    survey: Survey | None = None

    @property
    def n_objects(self) -> int:
        """That take part in a start."""
        return int((~self.is_target).sum()) + self.n_targets

    def drawn(self, start: int, left_out: float) -> NDArray[np.int64]:
        """(M,) rows of one start, others left out in each, in an order by chance: where scores are
        equal the first row is shown, and in many a file the targets stand together."""
        rows = np.arange(len(self.features))
        if self.n_targets < self.is_target.sum():
            targets = np.random.default_rng([start, 78]).permutation(
                np.flatnonzero(self.is_target)
            )
            rows = np.setdiff1d(rows, targets[self.n_targets :])
        rng = np.random.default_rng([start, 77])
        return rng.permutation(rows)[round(left_out * len(rows)) :]


Make = partial[RareSet]
"""Makes a set of a workspace and the folder with data."""


def _table(name: str, _workspace: Workspace, data: Path | None) -> RareSet:
    path = _given(data) / "odds" / f"{name}.npz"
    if not path.exists():
        raise NotReady(f"There is no {path}; give the folder that holds odds/ by --data.")
    with np.load(path) as found:
        return _cut(found["X"].astype(np.float32), found["y"].astype(bool))


def _pictures(
    name: str, target: str, rare: bool, workspace: Workspace, data: Path | None
) -> RareSet:
    """The default embedding of a set of pictures; with `rare`, few of the target in a start."""
    given = labelled_set(name, workspace, data)
    values = embedding_of(workspace, given.survey.name, DEFAULT_ENCODER).rows()
    found = _rare_set(np.asarray(values, np.float32), given.labels == target, rare)
    return replace(found, survey=given.survey)


def _other_seed(target: str, seed: int, workspace: Workspace, data: Path | None) -> RareSet:
    """The simulated survey by another seed, in a workspace of its own: its name is taken."""
    name = "other-seed" if seed == OTHER_SEED else f"seed-{seed}"
    other = open_workspace(workspace.root / name)
    if "simulated" not in list_surveys(other):
        build_demo(other, "simulated", seed=seed)
    return _pictures("simulated", target, False, other, data)


def _subclass(name: str, _workspace: Workspace, data: Path | None) -> RareSet:
    """Sources of one subclass among all others, by magnitude, colours, motion and redshift."""
    import pandas as pd

    path = _given(data) / "tables" / "sdss_gaia.parquet"
    if not path.exists():
        raise NotReady(f"There is no {path}; give the folder that holds tables/ by --data.")
    table = pd.read_parquet(path)
    columns = ["gaia_g_mag", "bp_mag", "rp_mag", *MOTIONS]
    values = table[columns].to_numpy(np.float32, copy=True)
    values[np.isin(values, MISSING)] = np.nan
    values[:, 1] -= values[:, 2]
    values[:, 2] = values[:, 0] - values[:, 2]
    return _cut(values, (table["subclass"] == name).to_numpy(bool))


def _given(data: Path | None) -> Path:
    if data is None:
        raise NotReady("This set is read from a folder; give it by --data.")
    return data


def _cut(values: NDArray[np.float32], y: NDArray[np.bool_]) -> RareSet:
    others = np.flatnonzero(~y)
    rng = np.random.default_rng(0)
    rows = np.arange(len(y))
    if len(rows) > MOST_ROWS:
        kept = rng.choice(others, max(MOST_ROWS - int(y.sum()), MOST_ROWS // 2), replace=False)
        rows = np.sort(np.concatenate([kept, np.flatnonzero(y)]))
    return _rare_set(values[rows], y[rows], y[rows].mean() > 5 * RARE)


def _rare_set(values: NDArray[np.float32], y: NDArray[np.bool_], rare: bool) -> RareSet:
    n_targets = int(y.sum())
    if rare:
        n_targets = min(n_targets, max(FEWEST, round(RARE * (len(y) - n_targets))))
    return RareSet(values, y, n_targets)


def _tables(*names: str) -> dict[str, Make]:
    return {name: partial(_table, name) for name in names}


DEVELOPMENT: dict[str, Make] = {
    **_tables("satimage-2", "pendigits", "vowels", "mammography", "musk", "thyroid", "letter"),
    "simulated dual nuclei": partial(_pictures, "simulated", "dual_nucleus", False),
    "FRI made rare": partial(_pictures, "first", "FRI", True),
}

EARLIER: dict[str, Make] = {
    **_tables("optdigits", "mnist", "cardio", "annthyroid", "shuttle", "cover"),
    "calcium white dwarfs": partial(_subclass, "CalciumWD"),
    "magnetic white dwarfs": partial(_subclass, "WDmagnetic"),
    "L dwarfs": partial(_subclass, "Ldwarf"),
    "bent made rare": partial(_pictures, "first", "Bent", True),
    "lens candidates": partial(_pictures, "lens_candidates", "lens", False),
    "simulated artefacts": partial(_other_seed, "artefact", OTHER_SEED),
    "injected dual nuclei": partial(_pictures, "injected", "dual_nucleus", False),
    **_tables("satellite", "http", "smtp"),
    "cataclysmic variables": partial(_subclass, "CV"),
    "carbon stars": partial(_subclass, "Carbon"),
    "narrow-line AGN": partial(_subclass, "AGN"),
    "star-forming galaxies": partial(_subclass, "STARFORMING"),
    "galaxies made rare": partial(_pictures, "star_galaxy", "galaxy", True),
    "spirals made rare": partial(_pictures, "sdss_spiral", "spiral", True),
    "FRII made rare": partial(_pictures, "first", "FRII", True),
    "compact made rare": partial(_pictures, "first", "Compact", True),
    "simulated lenses": partial(_other_seed, "lens", THIRD_SEED),
}

REPORT: dict[str, Make] = {
    "hotter white dwarfs": partial(_subclass, "WDhotter"),
    "cooler white dwarfs": partial(_subclass, "WDcooler"),
    "starburst galaxies": partial(_subclass, "STARBURST"),
    "broad-line starbursts": partial(_subclass, "STARBURST BROADLINE"),
    "M6 giants": partial(_subclass, "M6III (148783)"),
    "O stars": partial(_subclass, "O8/O9 (167771)"),
    "K5 dwarfs": partial(_subclass, "K5Ve (118100)"),
    "A2 giants": partial(_subclass, "A2II (39866)"),
    "other than spirals made rare": partial(_pictures, "sdss_spiral", "non_spiral", True),
    "stars made rare": partial(_pictures, "star_galaxy", "star", True),
    "simulated dual nuclei, new seed": partial(_other_seed, "dual_nucleus", THIRD_SEED),
    "simulated artefacts, new seed": partial(_other_seed, "artefact", THIRD_SEED),
}

PICTURES = tuple(
    name
    for name, make in {**DEVELOPMENT, **EARLIER, **REPORT}.items()
    if make.func in (_pictures, _other_seed)
)
"""The sets with a survey: those of pictures."""
