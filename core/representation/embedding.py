"""Embedding a survey, and finding the embedding again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from core.errors import Damaged, NotReady
from core.progress import Progress, silent
from core.representation.encoder import (
    encoder_name,
    make_encoder,
    nothing_seen,
    read_batch,
    reads,
    seen_rows,
)
from core.survey import RunFolder, Survey, finished_runs
from core.vocabulary import DEFAULT, JobKind

BATCH = 256


@dataclass(frozen=True)
class Embedding:
    """What one run of an encoder saw.

    Attributes
    ----------
    values
        (N, D) float32, row-aligned, memory-mapped and read-only; NaN where `mask` is False.
    mask
        (N,) bool, True where the encoder had something to see.
    run_id, encoder
        The run that wrote it and the encoder's name.
    """

    values: NDArray[np.float32]
    mask: NDArray[np.bool_]
    run_id: str
    encoder: str


def embed(
    survey: Survey,
    encoder: str = DEFAULT,
    *,
    options: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    progress: Progress = silent,
) -> Embedding:
    """Encode every object of a survey as one run; memory does not grow with the survey.

    Parameters
    ----------
    options
        The encoder's own (`own_options` of its class), such as the weights of a network.
    """
    name = encoder_name(encoder, survey)
    model = make_encoder(name, survey, options)
    config = {"encoder": name, "options": {key: str(one) for key, one in (options or {}).items()}}
    with RunFolder(survey, JobKind.EMBED, config, run_id=run_id) as run:
        model.fit(survey, progress)
        what = reads(model)
        mask = seen_rows(survey, what)
        total = len(survey)
        values: NDArray[np.float32] | None = None
        for start in range(0, total, BATCH):
            rows = np.arange(start, min(start + BATCH, total))
            seen = rows[mask[rows]]
            if len(seen):
                codes = model.encode(read_batch(survey, seen, what))
                if values is None:
                    values = _create(run.path, total, codes.shape[1])
                values[seen] = codes
            progress((rows[-1] + 1) / total, f"embedded {rows[-1] + 1:,} of {total:,} objects")
        if values is None:
            raise nothing_seen(survey, what, f", which the encoder {name} needs")
        finite = np.isfinite(values).all(axis=1)
        np.save(run.path / "mask.npy", mask & finite)
        values.flush()  # type: ignore[attr-defined]
        run.result.update(model.save(run.path), dimensions=int(values.shape[1]))
    return load_embedding(survey, name)


def _create(folder: Path, count: int, dimensions: int) -> Any:
    path = folder / "embedding.npy"
    values = open_memmap(path, "w+", np.float32, (count, dimensions))
    if hasattr(os, "posix_fallocate"):
        # A sparse file met by a full disk ends the process by SIGBUS; this is an error instead.
        with open(path, "r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)
    values[:] = np.nan
    return values


def load_embedding(survey: Survey, encoder: str = DEFAULT) -> Embedding:
    """The newest finished embedding of this version of the survey by `encoder`.

    Raises
    ------
    NotReady
        There is none yet.
    Damaged
        Its arrays do not fit the survey.
    """
    name = encoder_name(encoder, survey)
    for record in finished_runs(survey, JobKind.EMBED):
        if record.config.get("encoder") != name:
            continue
        about = record.record["survey"] or {}
        # The hash, not the version alone: a survey made anew under an old name has other objects.
        if about.get("content_hash") != survey.manifest.content_hash:
            continue
        values = np.load(record.path / "embedding.npy", mmap_mode="r")
        mask = np.load(record.path / "mask.npy")
        if len(values) != len(survey) or len(mask) != len(survey):
            raise Damaged(
                f"The embedding {record.run_id} has {len(values)} rows, but the survey"
                f" {survey.name} has {len(survey)}; embed it again."
            )
        return Embedding(values, mask, record.run_id, name)
    raise NotReady(
        f"The survey {survey.name} has no {name} embedding yet; make one with"
        f" `python -m core.run embed {survey.name} --encoder {name}`."
    )
