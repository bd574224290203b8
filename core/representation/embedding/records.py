"""Finished embeddings: one opened for use, all of them listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from core.errors import Damaged, NotFound, NotReady
from core.representation.embedding.choice import chosen_embedding, fitting_runs
from core.representation.encoder import encoder_name
from core.survey import RunRecord, Survey
from core.vocabulary import DEFAULT


@dataclass(frozen=True)
class Embedding:
    """What one run of an encoder saw.

    Attributes
    ----------
    values
        (N, D) float16 or float32, row-aligned, memory-mapped and read-only; NaN where `mask` is
        False. Take `rows` to compute with: sums of float16 overflow.
    mask
        (N,) bool, True where the encoder had something to see.
    run_id, encoder
        The run that wrote it and the encoder's name.
    parts
        Name -> columns of each part of a fusion; empty for other encoders.
    """

    values: NDArray[Any]
    mask: NDArray[np.bool_]
    run_id: str
    encoder: str
    parts: Mapping[str, slice] = field(default_factory=dict)

    def rows(self, rows: slice | NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """(B, D) float32 of some rows, or of all."""
        chosen = self.values if rows is None else self.values[rows]
        return np.asarray(chosen, dtype=np.float32)


@dataclass(frozen=True)
class EmbeddingRecord:
    """What is known of a finished embedding without opening it.

    Attributes
    ----------
    run_id, encoder, options
        The run, the encoder, and the options that it was given.
    dimensions
        Numbers an object.
    finished
        When, ISO 8601 in UTC.
    weights
        Where the weights of its networks come from, in words; empty where it has none.
    precision
        "float16" or "float32" on disk.
    seconds
        That fitting and encoding took, without what an interrupted run did before.
    masked
        Objects of which the encoder had nothing to say.
    notes
        Sentences: what was done otherwise than asked, how a fast path was checked.
    chosen, in_use
        Whether somebody chose it, and whether it is what `load_embedding` gives without a name.
    """

    run_id: str
    encoder: str
    options: dict[str, str]
    dimensions: int
    finished: str
    weights: str
    precision: str
    seconds: float
    masked: int
    notes: tuple[str, ...] = field(default=())
    chosen: bool = False
    in_use: bool = False


def load_embedding(
    survey: Survey, encoder: str = DEFAULT, *, run_id: str | None = None
) -> Embedding:
    """An embedding of this version of the survey.

    By `run_id`, the one of that run. By the name of an encoder, its newest. By "default", the one
    that was chosen (`choose_embedding`), else the newest of the default encoder.

    Raises
    ------
    NotReady
        There is none yet.
    NotFound
        There is none of that `run_id`.
    Damaged
        Its arrays do not fit the survey.
    """
    name = encoder_name(encoder, survey)
    runs = fitting_runs(survey)
    if run_id is not None:
        for run in runs:
            if run.run_id == run_id:
                return opened_embedding(survey, run)
        raise NotFound(
            f"{run_id!r} is no finished embedding of {survey.name} as it is now; see the Encoders"
            " page for those there are."
        )
    found = _in_use(survey, name, runs, by_choice=encoder == DEFAULT)
    if found is not None:
        return opened_embedding(survey, found)
    raise NotReady(
        f"The survey {survey.name} has no {name} embedding yet; make one with"
        f" `python -m core.run embed {survey.name} --encoder {name} --workspace"
        f" {survey.folder.parents[1]}`."
    )


def finished_embeddings(survey: Survey) -> list[EmbeddingRecord]:
    """Every finished embedding of this version of the survey, the newest first."""
    runs = fitting_runs(survey)
    used = _in_use(survey, encoder_name(DEFAULT, survey), runs, by_choice=True)
    chosen = chosen_embedding(survey)
    return [_record(run, chosen, None if used is None else used.run_id) for run in runs]


def _in_use(
    survey: Survey, name: str, runs: list[RunRecord], *, by_choice: bool
) -> RunRecord | None:
    chosen = chosen_embedding(survey) if by_choice else None
    if chosen is not None:
        for run in runs:
            if run.run_id == chosen:
                return run
    return next((run for run in runs if run.config.get("encoder") == name), None)


def opened_embedding(survey: Survey, run: RunRecord) -> Embedding:
    """The arrays of a finished embedding; `Damaged` where they do not fit the survey."""
    try:
        values = np.load(run.path / "embedding.npy", mmap_mode="r", allow_pickle=False)
        mask = np.load(run.path / "mask.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise Damaged(
            f"The embedding {run.run_id} cannot be read ({str(error)[:120]}); remove the folder"
            f" {run.path} and embed {survey.name} again."
        ) from None
    if values.ndim != 2 or len(values) != len(survey) or mask.shape != (len(survey),):
        raise Damaged(
            f"The arrays of the embedding {run.run_id} have the shapes {values.shape} and"
            f" {mask.shape}, but the survey {survey.name} has {len(survey)} objects; embed it"
            " again."
        )
    parts = _parts(run, values.shape[1])
    return Embedding(values, mask, run.run_id, str(run.config.get("encoder")), parts)


def _parts(run: RunRecord, n_columns: int) -> dict[str, slice]:
    """Where the columns of each part of a fusion lie; empty where its files do not say so."""
    parts: dict[str, slice] = {}
    start = 0
    for one in (run.record.get("result") or {}).get("parts") or ():
        path = run.path / f"part-{one['name']}" / "fusion-whitening.safetensors"
        try:
            with safe_open(path, "numpy") as tensors:
                width = int(tensors.get_slice("matrix").get_shape()[1])
        except (OSError, SafetensorError):
            return {}
        parts[str(one["name"])] = slice(start, start + width)
        start += width
    return parts if start == n_columns else {}


def _record(run: RunRecord, chosen: str | None, used: str | None) -> EmbeddingRecord:
    result = run.record.get("result") or {}
    about = result.get("embedding") or {}
    seconds = about.get("seconds")
    if seconds is None:  # up to version 0.4
        finished, started = (
            datetime.fromisoformat(run.record[when]) for when in ("finished", "started")
        )
        seconds = (finished - started).total_seconds()
    masked = about.get("masked")
    if masked is None:
        masked = int((~np.load(run.path / "mask.npy", allow_pickle=False)).sum())
    return EmbeddingRecord(
        run_id=run.run_id,
        encoder=str(run.config.get("encoder")),
        options={key: str(value) for key, value in (run.config.get("options") or {}).items()},
        dimensions=int(result.get("dimensions", 0)),
        finished=str(run.record["finished"]),
        weights=_origin_words(result),
        precision=str(about.get("precision", "float32")),
        seconds=float(seconds),
        masked=int(masked),
        notes=tuple(map(str, about.get("notes", ()))),
        chosen=run.run_id == chosen,
        in_use=run.run_id == used,
    )


def _origin_words(settings: dict[str, Any]) -> str:
    """Where weights come from: what an encoder's settings say, and those of its parts."""
    told = []
    origin = settings.get("weights")
    if isinstance(origin, dict):
        method = str(origin.get("method", "a network"))
        steps = (origin.get("config") or {}).get("steps")
        surveys = ", ".join(origin.get("surveys") or ())
        words = f"{method} trained on {surveys}" if surveys else method
        told.append(f"{words}, {steps:,} steps" if isinstance(steps, int) else words)
    elif isinstance(origin, str):
        told.append(origin)
    for part in settings.get("parts") or ():
        if isinstance(part, dict):
            told.append(_origin_words(part.get("settings") or {}))
    return "; ".join(one for one in told if one)
