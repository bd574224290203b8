"""Every measure of one embedding, and of several side by side on the same objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import Cancelled, NotReady, SkysiftError
from core.metrics import (
    alignment,
    cluster_quality,
    collapse_alarms,
    mean_square_differences,
    neighbour_consistency,
    rankme,
    singular_shares,
    two_point,
    uniformity,
    view_retrieval,
)
from core.metrics.representation import SAMPLE, sample_rows
from core.metrics.representation.tables import FEWEST
from core.progress import Progress, part_of, silent
from core.representation.encoder import COLUMNS, reads
from core.representation.quality.finding import Embedded, loaded_encoder
from core.representation.quality.labels import Labels, probe
from core.representation.quality.records import Assessment
from core.representation.quality.verdict import comparison, verdict_of
from core.representation.quality.views import codes_of_view
from core.survey import Survey

VIEWED = 300
"""Objects of which two views are encoded: some seconds of a network."""

BATCH = 64
"""Objects in the matrix of pairwise differences."""

OWN_OBJECTS = "Measured on its own objects: too few are seen by all of these encoders."

_NAMES = ("consistency", "retrieval", "alignment")


@dataclass(frozen=True)
class Comparison:
    """Embeddings side by side, and in words which to take; "" of one."""

    assessments: tuple[Assessment, ...]
    verdict: str


def assess_all(
    survey: Survey,
    embeddings: Sequence[Embedded],
    *,
    labels: Labels | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Assess embeddings on the same objects: 2,000 at most that all encoders had something to see
    of. Where that leaves fewer than 20, each is assessed on its own, and its notes say so."""
    shared = np.logical_and.reduce([one.mask for one in embeddings])
    apart = len(embeddings) > 1 and int(shared.sum()) < FEWEST
    found = []
    for number, one in enumerate(embeddings):
        told = part_of(progress, number / len(embeddings), (number + 1) / len(embeddings))
        mask = one.mask if apart else shared
        assessed = assess(survey, one, mask=mask, labels=labels, seed=seed, progress=told)
        if apart:
            assessed = replace(assessed, notes=(OWN_OBJECTS, *assessed.notes))
        found.append(assessed)
    return Comparison(tuple(found), comparison(found))


def assess(
    survey: Survey,
    embedded: Embedded,
    *,
    mask: NDArray[np.bool_] | None = None,
    labels: Labels | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Assessment:
    """Every measure of one embedding.

    Parameters
    ----------
    mask
        (N,) bool, the objects to draw from; those with an embedding if None.
    labels
        Give probes, too.

    Raises
    ------
    NotReady
        Fewer than 20 objects to measure.
    """
    usable = embedded.mask if mask is None else mask & embedded.mask
    if usable.sum() < FEWEST:
        raise NotReady(
            f"The embedding {embedded.run_id} has {int(usable.sum())} objects to measure, but"
            f" {FEWEST} are needed to say anything; import more."
        )
    name = embedded.encoder
    rows = sample_rows(usable, SAMPLE, seed)
    values = np.asarray(embedded.values[rows], np.float64)
    progress(0.0, f"{name}: distances of {len(rows):,} objects")
    measures: dict[str, float | None] = {}
    errors: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    notes: list[str] = []
    try:
        curve = two_point(values, seed=seed)
    except SkysiftError as error:
        measures["two_point"] = None
        notes.append(str(error))
    else:
        measures["two_point"], errors["two_point"] = curve.score, curve.error
        arrays.update(r=curve.r, eps=curve.eps, sigma=curve.sigma)
    progress(0.2, f"{name}: clusters")
    clusters = cluster_quality(values, seed=seed)
    for key in ("silhouette", "davies_bouldin"):
        taken = [float(getattr(one, key)) for one in clusters]
        measures[key] = float(np.mean(taken)) if taken else None
    measures["rankme"] = rankme(values)
    measures["uniformity"] = uniformity(values)
    collapse = collapse_alarms(values)
    arrays["shares"] = singular_shares(values)
    arrays["batch"] = np.sort(np.random.default_rng(seed).permutation(rows)[:BATCH])
    arrays["differences"] = mean_square_differences(embedded.values[arrays["batch"]])
    progress(0.4, f"{name}: two views of {min(VIEWED, len(rows))} objects")
    viewed, why = _views(survey, embedded, usable, seed)
    measures.update(viewed)
    if why:
        notes.append(why)
    probes: tuple[Any, ...] = ()
    if labels is not None:
        progress(0.8, f"{name}: probes of {labels.source}")
        probes, missing = probe(survey, embedded.values, usable, labels, seed)
        notes += missing
    assessed = Assessment(
        run_id=embedded.run_id,
        encoder=name,
        dimensions=int(embedded.values.shape[1]),
        n_objects=len(survey),
        n_masked=int((~embedded.mask).sum()),
        n_measured=len(rows),
        measures=measures,
        errors=errors,
        clusters=tuple(
            {"k": c.k, "davies_bouldin": c.davies_bouldin, "silhouette": c.silhouette}
            for c in clusters
        ),
        alarms=collapse.sentences,
        probes=probes,
        notes=tuple(notes),
        arrays=arrays,
    )
    progress(1.0, f"{name}: assessed")
    return replace(assessed, verdict=verdict_of(assessed))


def _views(
    survey: Survey, embedded: Embedded, usable: NDArray[np.bool_], seed: int
) -> tuple[dict[str, float | None], str]:
    """Measures from two views of some objects, and why there are none."""
    nothing: dict[str, float | None] = dict.fromkeys(_NAMES)
    try:
        encoder = loaded_encoder(embedded)
        if reads(encoder) == COLUMNS:
            return nothing, (
                f"Two views were not compared: {embedded.encoder} reads the catalogue, of which"
                " there is one view."
            )
        rows = sample_rows(usable, VIEWED, seed + 1)
        a, b = (codes_of_view(survey, encoder, rows, 2 * seed + view) for view in (1, 2))
    except Cancelled:
        raise
    except SkysiftError as error:
        return nothing, f"Two views were not compared: {error}"
    both = np.isfinite(a).all(1) & np.isfinite(b).all(1)
    a, b = a[both], b[both]
    if len(a) < FEWEST:
        return nothing, (
            f"Two views were not compared: {len(a)} objects could be encoded twice, but {FEWEST}"
            " are needed."
        )
    if np.array_equal(a, b):
        return nothing, (
            f"Two views were not compared: {embedded.encoder} gives both the same values, as it"
            " does not look at the pixels anew."
        )
    return {
        "consistency": neighbour_consistency(a, b, min(10, len(a) - 1)),
        "retrieval": view_retrieval(a, b),
        "alignment": alignment(a, b),
    }, ""
