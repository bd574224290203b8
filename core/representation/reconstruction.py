"""Pictures out of codes: what an autoencoder, PCA, ICA or NMF keeps of an object, and what not.

What is rebuilt badly is unlike the rest: its error is a plain measure of oddness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import BadInput
from core.progress import Progress, silent
from core.representation.device import best_device
from core.representation.embedding.choice import fitting_runs
from core.representation.encoder import ENCODERS
from core.representation.encoders.linear import LinearEncoder
from core.representation.inputs.scaling import PixelScaling
from core.representation.methods.method import METHODS, Method
from core.representation.methods.store import load_method
from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import JobKind

BATCH = 128

Floats = NDArray[np.float32]


class Rebuilder(Protocol):
    """Something that turns pictures into codes and codes into pictures."""

    def originals(self, images: NDArray[Any]) -> Floats:
        """(B, band, y, x) native pixels -> (B, band, size_px, size_px), as they were shown."""

    def codes(self, images: NDArray[Any]) -> Floats:
        """(B, band, y, x) native pixels -> (B, D)."""

    def decode(self, codes: Floats) -> Floats:
        """(B, D) -> (B, band, size_px, size_px)."""


class MethodRebuilder:
    """A trained network that reconstructs; pixels count as 0 to 1, as in its loss.

    Raises
    ------
    BadInput
        The method makes no pictures from codes.
    """

    def __init__(self, method: Method, scaling: PixelScaling) -> None:
        if not method.reconstructs:
            raise BadInput(
                f"The method {method.name} makes no pictures from codes; choose one of"
                f" {', '.join(sorted(n for n in METHODS if METHODS[n].reconstructs))}."
            )
        self.method = method.eval().to(best_device())
        self.scaling = scaling

    def originals(self, images: NDArray[Any]) -> Floats:
        with torch.inference_mode():
            out: Floats = self.method.spec(self.scaling(images))[:, 0].clamp(0, 1).numpy()
        return out

    def codes(self, images: NDArray[Any]) -> Floats:
        with torch.inference_mode():
            seen = self.method.spec(self.scaling(images))[:, 0].to(best_device())
            out: Floats = self.method.codes(seen).float().cpu().numpy()
        return out

    def decode(self, codes: Floats) -> Floats:
        with torch.inference_mode():
            given = torch.from_numpy(np.ascontiguousarray(codes)).to(best_device())
            out: Floats = self.method.decode(given).float().cpu().numpy()
        return out


class LinearRebuilder:
    """A fitted PCA, ICA or NMF."""

    def __init__(self, encoder: LinearEncoder) -> None:
        self.encoder = encoder

    def originals(self, images: NDArray[Any]) -> Floats:
        return self.encoder.seen(images)

    def codes(self, images: NDArray[Any]) -> Floats:
        return self.encoder.encode(images)

    def decode(self, codes: Floats) -> Floats:
        side = self.encoder.size_px
        return self.encoder.decode(codes).reshape(len(codes), -1, side, side)


def rebuilds(name: str) -> bool:
    """Whether the encoder or method of that name can make pictures from codes."""
    method, encoder = METHODS.get(name), ENCODERS.get(name)
    if method is not None:
        return method.reconstructs
    return encoder is not None and issubclass(encoder, LinearEncoder)


def rebuilding_runs(survey: Survey) -> list[RunRecord]:
    """Finished embeddings and pretrainings that can make pictures from codes, newest first."""
    embedded = [run for run in fitting_runs(survey) if rebuilds(str(run.config.get("encoder")))]
    trained = [
        run
        for run in finished_runs(survey, JobKind.PRETRAIN)
        if rebuilds(str(run.config.get("method")))
    ]
    made = [*embedded, *trained]
    return sorted(made, key=lambda run: str(run.record["finished"]), reverse=True)


def rebuilder(survey: Survey, run: RunRecord) -> Rebuilder:
    """What a run of `rebuilding_runs` learnt, for pictures of the survey.

    Raises
    ------
    BadInput
        The run cannot make pictures from codes.
    Damaged
        Its files cannot be read.
    """
    name = str(run.config.get("encoder") or run.config.get("method"))
    if not rebuilds(name):
        raise BadInput(
            f"The run {run.run_id} of {name} makes no pictures from codes; choose one of pca, ica,"
            " nmf or an autoencoder."
        )
    if name not in METHODS:
        return LinearRebuilder(ENCODERS[name].load(run.path, run.record["result"]))
    method, _ = load_method(run.path, name)
    saved = run.record["result"].get("scaling")
    scaling = PixelScaling.of(survey.manifest, method.spec.scaling)
    return MethodRebuilder(method, PixelScaling.from_dict(saved) if saved else scaling)


@dataclass(frozen=True)
class Reconstructions:
    """Pictures beside what came back of them, row by row.

    Attributes
    ----------
    object_ids
        (B,).
    originals, rebuilt
        (B, band, size_px, size_px), about 0 to 1, as the encoder sees them.
    errors
        (B,) mean squared difference a pixel.
    """

    object_ids: NDArray[Any]
    originals: Floats
    rebuilt: Floats
    errors: NDArray[np.float64]


def reconstructions(model: Rebuilder, survey: Survey, rows: NDArray[np.int64]) -> Reconstructions:
    """Originals and reconstructions of a screenful of rows, in their order.

    Raises
    ------
    BadInput
        A row has no picture.
    """
    images = _pictures(survey, rows)
    originals, rebuilt = model.originals(images), model.decode(model.codes(images))
    ids = survey.object_ids[rows]
    return Reconstructions(ids, originals, rebuilt, _errors(originals, rebuilt))


@dataclass(frozen=True)
class CodedSample:
    """Some objects by their codes.

    Attributes
    ----------
    rows
        (N,) of the survey.
    codes
        (N, D).
    errors
        (N,) mean squared difference a pixel between picture and reconstruction.
    """

    rows: NDArray[np.int64]
    codes: Floats
    errors: NDArray[np.float64]


def coded_sample(
    model: Rebuilder,
    survey: Survey,
    rows: NDArray[np.int64],
    progress: Progress = silent,
) -> CodedSample:
    """Codes and errors of rows, a batch of pictures at a time."""
    codes, errors = [], []
    for start in range(0, len(rows), BATCH):
        images = _pictures(survey, rows[start : start + BATCH])
        codes.append(model.codes(images))
        errors.append(_errors(model.originals(images), model.decode(codes[-1])))
        done = start + len(images)
        progress(done / len(rows), f"rebuilt {done:,} of {len(rows):,} pictures")
    if not codes:
        raise BadInput(
            f"No object of {survey.name} was given to rebuild; name rows that have a picture."
        )
    return CodedSample(rows, np.concatenate(codes), np.concatenate(errors))


def latent_traversal(
    model: Rebuilder, code: Floats, dimension: int, values: NDArray[np.floating[Any]]
) -> Floats:
    """Pictures of a code (D,) whose one number takes each of the values (S,).

    Returns (S, band, size_px, size_px).
    """
    if not 0 <= dimension < len(code):
        raise BadInput(
            f"The code has the numbers 0 to {len(code) - 1}, but {dimension} was asked for;"
            " choose one of them."
        )
    codes = np.repeat(np.asarray(code, np.float32)[None], len(values), axis=0)
    codes[:, dimension] = values
    return model.decode(codes)


def latent_pairs(dimensions: int, count: int, seed: int = 0) -> list[tuple[int, int]]:
    """At most `count` different pairs i < j of a code's numbers, drawn by the seed."""
    first, second = np.triu_indices(dimensions, 1)
    chosen = np.random.default_rng(seed).permutation(len(first))[:count]
    return [(int(first[one]), int(second[one])) for one in chosen]


@dataclass(frozen=True)
class FeatureCorrelation:
    """Whether the numbers of an embedding say the same.

    Attributes
    ----------
    matrix
        (D, D) Pearson correlations; NaN in row and column of a number that does not vary.
    redundancy
        Mean absolute correlation off the diagonal, 0 (each says its own) to 1; NaN for fewer than
        two numbers that vary.
    constant
        The numbers that do not vary.
    objects
        How many it rests on.
    """

    matrix: NDArray[np.float64]
    redundancy: float
    constant: tuple[int, ...]
    objects: int


def feature_correlation(values: NDArray[np.floating[Any]]) -> FeatureCorrelation:
    """Of an embedding (N, D); rows with NaN are left out.

    Raises
    ------
    BadInput
        Fewer than three rows are left, of which any two correlate.
    """
    if np.ndim(values) != 2 or int((whole := np.isfinite(values).all(axis=1)).sum()) < 3:
        raise BadInput(
            "Correlations of features need (N, D) values with 3 rows or more that are finite, but"
            f" came {np.shape(values)}; embed more objects."
        )
    kept = np.asarray(values[whole], np.float64)
    centred = kept - kept.mean(0)
    deviation = centred.std(0)
    varies = deviation > 1e-6 * np.maximum(np.abs(kept).max(0), 1e-6)
    standard = centred[:, varies] / deviation[varies]
    matrix = np.full((kept.shape[1], kept.shape[1]), np.nan)
    matrix[np.ix_(varies, varies)] = np.clip(standard.T @ standard / len(kept), -1, 1)
    several = int(varies.sum())
    off = np.abs(matrix[np.ix_(varies, varies)])[~np.eye(several, dtype=bool)]
    return FeatureCorrelation(
        matrix,
        float(off.mean()) if several > 1 else float("nan"),
        tuple(np.flatnonzero(~varies).tolist()),
        len(kept),
    )


def _pictures(survey: Survey, rows: NDArray[np.int64]) -> NDArray[Any]:
    without = np.flatnonzero(~survey.has_image[rows])
    if len(without):
        raise BadInput(
            f"The object {survey.object_ids[rows[without[0]]]} of {survey.name} has no picture;"
            " leave out objects without one."
        )
    images: NDArray[Any] = survey.images(rows)
    return images


def _errors(originals: Floats, rebuilt: Floats) -> NDArray[np.float64]:
    difference = rebuilt.astype(np.float64) - originals
    out: NDArray[np.float64] = np.square(difference).mean(axis=(1, 2, 3))
    return out
