"""The catalogue's columns as an embedding: for surveys without pictures and spectra."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load_file

from core.errors import NotReady
from core.progress import Progress
from core.representation.components import Components
from core.representation.encoder import COLUMNS, register_encoder, sampled_rows
from core.representation.weightfiles import write_arrays
from core.survey import Survey

FIT_ROWS = 50_000
COMPONENTS = 64
MAX_LEVELS = 20
_CLIP = 8.0
_RARE = 1e-4

_NO_FEATURE = re.compile(
    r"""(object|group|source|target|spec_?obj|photo_?obj|obj|brick)_?id\Z | id\Z | ids\Z
    | .*_id\Z | (fiber|plate|mjd|tile|field|healpix|expid|run|rerun|camcol)(id)?\Z
    | ra\Z | dec\Z | de\Z | ra_?(deg|j2000|icrs|mean)\Z | dec?_?(deg|j2000|icrs|mean)\Z
    | _?ra_?j2000\Z | _?de_?j2000\Z | (right_ascension|declination)\Z | alpha_j2000\Z
    | delta_j2000\Z | gal_?(l|b)\Z | gl(on|at)\Z | ecl_?(lon|lat)\Z | plug_?(ra|dec)\Z
    | target_?(ra|dec)\Z | wcs_.* | (x|y)(_?(px|pix|pixel|image))\Z | file_?name\Z
    | (width|height)_px\Z | file_?(size|bytes)\Z | resampled\Z | row\Z | index\Z""",
    re.VERBOSE,
)
"""Names of columns that say which object it is or where it lies, not what it is like."""


@dataclass(frozen=True)
class _Column:
    """How one column becomes features: a number by `centre`, `scale` and whether `arcsinh` tames
    it (with a flag beside it where `flag`), or a category by its `levels`."""

    name: str
    levels: tuple[str, ...] = ()
    centre: float = 0.0
    scale: float = 1.0
    flag: bool = False


@register_encoder("columns")
class ColumnsEncoder:
    """Rows of the catalogue -> (B, 64 at most): components of scaled numbers and categories.

    Numbers: distance from the median in robust deviations (1.4826 median absolute deviations, or
    standard deviations where that is 0), compressed by arcsinh, so that a heavy tail stays a tail
    and does not become the whole scale. A missing value becomes the median, with a column of its
    own that says so. Words and truth values with at most 20 levels become a column a level.
    Left out: ids, positions on the sky and in files, and what is the same everywhere. Not
    whitened. Fitted on at most 50,000 objects drawn with a fixed seed.
    """

    name: str
    reads = COLUMNS

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.columns: tuple[_Column, ...] = ()
        self.components = Components()

    def fit(self, survey: Survey, progress: Progress) -> None:
        rows = sampled_rows(survey, FIT_ROWS, self.seed, COLUMNS)
        progress(0.0, f"fitting principal components of the columns of {len(rows)} objects")
        table = survey.catalogue.iloc[rows]
        categorical = {name for name, one in survey.column_info.items() if one.kind}
        names = list(table.columns)
        if {"l", "b"} <= set(names):  # alone, b is a magnitude
            names = [name for name in names if name not in ("l", "b")]
        found = [_described(table[name], name in categorical) for name in names]
        self.columns = tuple(one for one in found if one is not None)
        if not self.columns:
            raise NotReady(
                f"The catalogue of {survey.name} has no column that the encoder columns could"
                " use (numbers or a few categories, ids and positions left out); import a table"
                " of measurements with it."
            )
        self.components = Components.fit(self._features(table), COMPONENTS, self.seed)

    def encode(self, table: pd.DataFrame) -> NDArray[np.float32]:
        return self.components(self._features(table))

    def _features(self, table: pd.DataFrame) -> NDArray[np.float32]:
        return np.column_stack([_feature(table, column) for column in self.columns])

    def save(self, folder: Path) -> dict[str, Any]:
        write_arrays(self.components.arrays(""), folder / "weights.safetensors")
        return {"seed": self.seed, "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> ColumnsEncoder:
        encoder = cls(settings["seed"])
        encoder.columns = tuple(
            _Column(**{**one, "levels": tuple(one["levels"])}) for one in settings["columns"]
        )
        encoder.components = Components.of(load_file(folder / "weights.safetensors"), "")
        return encoder


def _described(values: pd.Series, categorical: bool) -> _Column | None:
    """How a column is used; None where it is not."""
    name = str(values.name)
    if _NO_FEATURE.match(name.lower()):
        return None
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if categorical or not is_number:
        counts = _words(values).value_counts()
        rare = max(1, _RARE * len(values))
        levels = sorted(str(level) for level, n in counts.items() if level and n >= rare)
        if not 1 <= len(levels) <= MAX_LEVELS or len(counts) < 2:
            return None
        return _Column(name, tuple(levels))
    numbers = _numbers(values)
    finite = np.isfinite(numbers)
    known = numbers[finite]
    if not len(known):
        return None
    centre = float(np.median(known))
    # Halves first: the difference of two numbers near the largest would overflow.
    deviation = np.abs(known / 2 - centre / 2)
    scale = 2 * 1.4826 * float(np.median(deviation))
    if not scale > 0:
        with np.errstate(over="ignore"):
            scale = 2 * float(np.sqrt(np.mean(deviation**2)))
    flag = bool((~finite).any())
    if not (scale > 0 and np.isfinite(scale)):
        # The same everywhere; still worth a column if only some objects have it.
        return _Column(name, centre=centre, scale=0.0, flag=True) if flag else None
    return _Column(name, centre=centre, scale=scale, flag=flag)


def _feature(table: pd.DataFrame, column: _Column) -> NDArray[np.float32]:
    """(B, features) of a column."""
    values = table[column.name]
    if column.levels:
        words = _words(values).to_numpy()
        one_hot = np.stack([words == level for level in column.levels], axis=1)
        return one_hot.astype(np.float32)
    numbers = _numbers(values)
    missing = ~np.isfinite(numbers)
    found = []
    if column.scale > 0:
        with np.errstate(over="ignore", invalid="ignore"):
            away = np.arcsinh(numbers / column.scale - column.centre / column.scale)
        found.append(np.where(missing, 0.0, np.clip(away, -_CLIP, _CLIP)))
    if column.flag:
        found.append(missing.astype(np.float64))
    return np.stack(found, axis=1).astype(np.float32)


def _numbers(values: pd.Series) -> NDArray[np.float64]:
    return np.asarray(values.to_numpy(np.float64, na_value=np.nan))


def _words(values: pd.Series) -> pd.Series:
    return values.astype("string").fillna("").astype(object)
