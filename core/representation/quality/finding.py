"""Which embeddings of a survey there are, and their arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import Damaged, NotFound, NotReady
from core.representation.embedding import opened_embedding
from core.representation.embedding.choice import fitting_runs
from core.representation.encoder import ENCODERS, encoder_name
from core.survey import RunRecord, Survey


@dataclass(frozen=True)
class Embedded:
    """One finished embedding run.

    Attributes
    ----------
    run
        Its record.
    encoder
        Name of its encoder.
    values
        (N, D) float16 or float32, memory-mapped; NaN where `mask` is False.
    mask
        (N,) bool.
    """

    run: RunRecord
    encoder: str
    values: NDArray[Any]
    mask: NDArray[np.bool_]

    @property
    def run_id(self) -> str:
        return self.run.run_id


def embeddings_of(
    survey: Survey, runs: Sequence[str] = (), encoders: Sequence[str] = ()
) -> list[Embedded]:
    """The embeddings that are meant: by run id, or the newest of each encoder (or of those named),
    sorted by encoder.

    Raises
    ------
    NotFound
        A run that is no finished embedding of this version of the survey.
    NotReady
        An encoder that has none, or none at all.
    """
    records = fitting_runs(survey)
    if runs:
        by_id = {record.run_id: record for record in records}
        for run_id in runs:
            if run_id not in by_id:
                there = ", ".join(by_id) or "none"
                raise NotFound(
                    f"{run_id} is no finished embedding of this version of {survey.name} (there:"
                    f" {there}); choose one of these."
                )
        return [opened(survey, by_id[run_id]) for run_id in dict.fromkeys(runs)]
    newest: dict[str, RunRecord] = {}
    for record in records:
        newest.setdefault(str(record.config["encoder"]), record)
    names = list(dict.fromkeys(encoder_name(name, survey) for name in encoders))
    for name in names:
        if name not in newest:
            raise NotReady(
                f"The survey {survey.name} has no {name} embedding yet; make one with"
                f" `python -m core.run embed {survey.name} --encoder {name} --workspace"
                f" {survey.folder.parents[1]}`."
            )
    if not newest:
        raise NotReady(
            f"The survey {survey.name} has no embedding to assess yet; make one with"
            f" `python -m core.run embed {survey.name} --workspace {survey.folder.parents[1]}`."
        )
    return [opened(survey, newest[name]) for name in names or sorted(newest)]


def opened(survey: Survey, record: RunRecord) -> Embedded:
    """The arrays of an embedding run; `Damaged` where they do not fit the survey."""
    found = opened_embedding(survey, record)
    return Embedded(record, found.encoder, found.values, found.mask)


def loaded_encoder(embedded: Embedded) -> Any:
    """The fitted encoder that made an embedding.

    Raises
    ------
    NotReady
        Its encoder is not known to this Skysift.
    Damaged
        Its files cannot be read.
    """
    if embedded.encoder not in ENCODERS:
        raise NotReady(
            f"The encoder {embedded.encoder} of the run {embedded.run_id} is not known here; embed"
            " the survey again."
        )
    settings = dict(embedded.run.record.get("result") or {})
    try:
        return ENCODERS[embedded.encoder].load(embedded.run.path, settings)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise Damaged(
            f"The encoder of the run {embedded.run_id} cannot be loaded"
            f" ({type(error).__name__}: {str(error)[:120]}); embed the survey again."
        ) from None
