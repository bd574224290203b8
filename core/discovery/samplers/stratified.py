"""Stratified: rows from all heights of the ranking, each with a known probability."""

from __future__ import annotations

from core.discovery.pool import Draw, Pool, drawable_scores
from core.discovery.registry import Need, register_sampler
from core.discovery.strata import (
    inclusion_probabilities,
    place_probabilities,
    strata,
    stratified_draw,
)


@register_sampler(
    "stratified",
    needs=Need.DETECTOR,
    detector="isolation_forest",
    description="objects from all heights of the ranking, drawn with known probability",
)
def stratified(pool: Pool, n: int) -> Draw:
    """Score = P(target), or the isolation forest's while nothing is trained.

    The rows are a stratified sample by that score (`core.discovery.strata`), in chance order;
    probabilities are those of each place given the score and the rows before.
    """
    trained = pool.learner is not None
    scores = pool.chances if trained else pool.detector_scores["isolation_forest"]
    own = scores[pool.unlabelled]
    places, _ = stratified_draw(own, n, pool.rng)
    stratum = strata(own)
    chance = inclusion_probabilities(stratum, len(places))
    probabilities = place_probabilities(places, stratum, chance)
    return Draw(drawable_scores(pool, scores), pool.unlabelled[places], probabilities)
