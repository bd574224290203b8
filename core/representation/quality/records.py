"""What is known of an embedding's quality, as it is kept in a quality run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Measure:
    """One number of the table.

    Attributes
    ----------
    name, title
        Of its key in an `Assessment`, and for people.
    meaning
        One sentence.
    higher_is_better
        None where neither end is good by itself.
    compared
        Whether it counts when embeddings are compared without labels.
    """

    name: str
    title: str
    meaning: str
    higher_is_better: bool | None
    compared: bool = False
    percent: bool = False


MEASURES = (
    Measure(
        "two_point",
        "Two-point score",
        "How far objects clump beyond a plain cloud of the same spread (Mohale & Lochner 2023).",
        True,
        True,
    ),
    Measure(
        "consistency",
        "Neighbours kept",
        "Share of an object's 10 nearest that stay so when it is turned, mirrored, shifted and"
        " noisier.",
        True,
        True,
        True,
    ),
    Measure(
        "retrieval",
        "Found again",
        "Share of the objects that are the nearest to another view of themselves.",
        True,
        True,
        True,
    ),
    Measure(
        "silhouette",
        "Silhouette",
        "How much nearer objects are to their own K-means cluster than to the next; mean over the"
        " numbers of clusters.",
        True,
        True,
    ),
    Measure(
        "davies_bouldin",
        "Davies-Bouldin",
        "Width of K-means clusters over the distance between them; mean over the numbers of"
        " clusters; lower is better.",
        False,
        True,
    ),
    Measure(
        "rankme",
        "Effective rank",
        "How many dimensions carry the spread (RankMe); whitened embeddings use all of theirs.",
        None,
    ),
    Measure(
        "alignment",
        "Alignment",
        "Mean squared distance of the directions of two views; lower is better, beside uniformity"
        " only.",
        None,
    ),
    Measure(
        "uniformity",
        "Uniformity",
        "How evenly directions are spread; lower is more even, beside alignment only.",
        None,
    ),
)
"""In the order shown."""


@dataclass(frozen=True)
class Probe:
    """How well a class is told from all others labelled; held out, with 95 % intervals.

    Attributes
    ----------
    linear, nearest
        (value, low, high) of the average precision of a linear probe, of the nearest neighbours.
    """

    target: str
    n_targets: int
    n_labelled: int
    linear: tuple[float, float, float]
    nearest: tuple[float, float, float]


@dataclass(frozen=True)
class Assessment:
    """The quality of one embedding.

    Attributes
    ----------
    run_id, encoder
        Of the embedding.
    dimensions, n_objects, n_masked, n_measured
        Its size; what the encoder had nothing to say of; objects that were measured.
    measures
        By name as in `MEASURES`; None where one could not be taken (a note says why).
    errors
        Of those measures that have one.
    clusters
        For each number of clusters: k, davies_bouldin, silhouette.
    alarms
        Sentences about signs of collapse.
    probes
        With labels, one a class.
    notes
        What could not be measured, and why.
    verdict
        Plain words.
    arrays
        Not in the JSON: r, eps, sigma (two-point curve); shares (of singular values);
        differences (batch, batch) and batch (rows).
    """

    run_id: str
    encoder: str
    dimensions: int
    n_objects: int
    n_masked: int
    n_measured: int
    measures: Mapping[str, float | None]
    errors: Mapping[str, float]
    clusters: tuple[Mapping[str, float], ...]
    alarms: tuple[str, ...]
    probes: tuple[Probe, ...]
    notes: tuple[str, ...]
    verdict: str = ""
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """As JSON, without the arrays."""
        plain = {key: getattr(self, key) for key in self.__dataclass_fields__ if key != "arrays"}
        plain["probes"] = [asdict(one) for one in self.probes]
        for key in ("measures", "errors"):
            plain[key] = dict(plain[key])
        plain["clusters"] = [dict(one) for one in self.clusters]
        return plain

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Assessment:
        """From `as_dict` and the arrays."""
        plain: dict[str, Any] = {
            key: kept[key] for key in cls.__dataclass_fields__ if key != "arrays"
        }
        plain["probes"] = tuple(
            Probe(**{**one, "linear": tuple(one["linear"]), "nearest": tuple(one["nearest"])})
            for one in kept["probes"]
        )
        for key in ("clusters", "alarms", "notes"):
            plain[key] = tuple(kept[key])
        return cls(**plain, arrays=arrays)


def cell_of(measure: Measure, one: Assessment) -> str:
    """A measure as it stands in a table; a dash where it could not be taken."""
    value = one.measures.get(measure.name)
    if value is None:
        return "\N{EN DASH}"
    if measure.percent:
        return f"{value:.0%}"
    error = one.errors.get(measure.name)
    words = f"{value:.1f}" if measure.name in ("two_point", "rankme") else f"{value:.3f}"
    return words if error is None else f"{words} \N{PLUS-MINUS SIGN} {error:.1f}"
