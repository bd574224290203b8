"""The embedding of a survey as one run: streamed, resumable, in bounded memory."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.progress import Progress, part_of, silent
from core.representation.embedding.encoding import Encoded, encoded, spread_codes
from core.representation.embedding.records import Embedding, load_embedding
from core.representation.embedding.working import FLOAT16, FLOAT32, Working, working
from core.representation.encoder import (
    ENCODERS,
    Sampled,
    encoder_name,
    make_encoder,
    nothing_seen,
    reads,
    seen_rows,
)
from core.survey import RunFolder, Survey
from core.vocabulary import DEFAULT, JobKind

BATCH = 256
MAX_BATCH = 65_536
PRECISIONS = (FLOAT16, FLOAT32)

SPREAD_ROWS = 512
"""Objects, spread over the survey, whose numbers decide how precisely all are stored."""

_FIT_ROWS = 5000
"""What most encoders look at while they are fitted; for the progress alone."""


def embed(
    survey: Survey,
    encoder: str = DEFAULT,
    *,
    options: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    precision: str = FLOAT16,
    batch_size: int = BATCH,
    dask: str | None = None,
    progress: Progress = silent,
) -> Embedding:
    """Encode every object of a survey as one run; memory does not grow with the survey.

    The encoder is fitted, saved, and read again before it encodes, and how many rows are done is
    noted every few seconds: after a kill or a cancel the same call goes on and gives the same.

    Parameters
    ----------
    options
        The encoder's own (`own_options` of its class), such as the weights of a network.
    precision
        Of the numbers on disk: "float16", or "float32". Where float16 cannot hold those of 512
        objects spread over the survey (beyond 65,504, or a small spread about a large mean) all
        are stored as float32, and it is noted.
    batch_size
        Objects a batch; halved where memory runs out, which is noted.
    dask
        Address of a Dask scheduler, or "local": its workers encode.

    Raises
    ------
    BadInput
        A name, an option or a setting is not allowed.
    NotReady
        No object has what the encoder reads; something must run or be installed first.
    InUse
        Another process makes the same embedding.
    """
    if precision not in PRECISIONS:
        raise BadInput(
            f"An embedding is stored as {' or '.join(PRECISIONS)}, but {precision!r} was asked"
            " for; name one of them."
        )
    if not 1 <= batch_size <= MAX_BATCH:
        raise BadInput(f"A batch is 1 to {MAX_BATCH:,} objects, but is {batch_size}; change it.")
    if dask is not None:
        from core.representation.embedding.spreading import check_scheduler

        check_scheduler(dask)
    name = encoder_name(encoder, survey)
    model = make_encoder(name, survey, options)
    asked = {key: str(one) for key, one in (options or {}).items()}
    config = {"encoder": name, "options": asked, "precision": precision}
    fingerprint = _fingerprint(
        [survey.manifest.content_hash, config, batch_size, _identity(model)]
    )
    with (
        RunFolder(survey, JobKind.EMBED, config, run_id=run_id) as run,
        working(
            survey,
            fingerprint,
            batch_size=batch_size,
            precision=precision,
            what=f"{name} embedding of {survey.name}",
        ) as work,
    ):
        model = _fitted(model, survey, work, progress)
        mask, known = seen_rows(survey, reads(model)), work.sampled()
        total, share = len(survey), _fit_share(survey)
        told = part_of(progress, share, 1.0)
        began, first = time.monotonic(), work.journal.done
        if first:
            told(first / total, f"going on after {first:,} of {total:,} objects")
        if work.values is None and precision == FLOAT16 and mask.sum() > batch_size:
            size = work.journal.batch_size
            looked = spread_codes(model, survey, mask, SPREAD_ROWS, size, told, known)
            _note_batch(looked, work)
            if looked.codes is not None:
                work.begin(looked.codes)
        for one in _encoded(model, survey, mask, work, dask, known):
            if _note_batch(one, work):
                told(one.stop / total, f"memory ran out; going on with {one.batch_size} at a time")
            work.put(one.stop, one.rows, one.codes)
            speed = (one.stop - first) / max(time.monotonic() - began, 1e-6)
            told(
                one.stop / total,
                f"embedded {one.stop:,} of {total:,} objects, {speed:,.0f} a second",
            )
        if work.values is None:
            raise nothing_seen(survey, reads(model), f", which the encoder {name} needs")
        run.result.update(work.journal.settings or {}, dimensions=work.journal.dimensions)
        run.result["embedding"] = work.finish(run.path, mask)
    return load_embedding(survey, run_id=run.run_id)


def _fitted(model: Any, survey: Survey, work: Working, progress: Progress) -> Any:
    """The encoder, read from what it saved: so a run that goes on has the same one."""
    settings = work.journal.settings
    if settings is None:
        model.fit(survey, part_of(progress, 0.0, _fit_share(survey)))
        for sentence in _notes(model):
            work.note(sentence)
        settings = work.fitted(model.save(work.path), getattr(model, "sampled", None))
    return ENCODERS[model.name].load(work.path, settings)


def _note_batch(one: Encoded, work: Working) -> bool:
    """Whether memory ran out; the smaller batch is noted."""
    if one.batch_size >= work.journal.batch_size:
        return False
    work.journal.batch_size = one.batch_size
    work.note(f"memory ran out: batches of {one.batch_size} objects")
    return True


def _fit_share(survey: Survey) -> float:
    """Of the whole time: most encoders keep the codes of what they look at."""
    return min(_FIT_ROWS, len(survey)) / (1.2 * len(survey) + 1)


def _encoded(
    model: Any,
    survey: Survey,
    mask: NDArray[np.bool_],
    work: Working,
    dask: str | None,
    known: Sampled | None,
) -> Iterator[Encoded]:
    journal = work.journal
    if dask is None:
        return encoded(model, survey, mask, journal.done, len(survey), journal.batch_size, known)
    from core.representation.embedding.spreading import Job, spread

    job = Job(
        workspace=str(survey.folder.parents[1].resolve()),
        survey=survey.name,
        version=survey.version,
        encoder=model.name,
        folder=str(work.path.resolve()),
        settings=json.dumps(journal.settings),
        batch_size=journal.batch_size,
    )
    return spread(job, survey, journal.done, dask, journal.batch_size)


def _notes(model: Any) -> list[str]:
    """What an encoder, or a part of it, has to tell of how it was fitted (its `notes`)."""
    found = [str(one) for one in getattr(model, "notes", ())]
    for part in getattr(model, "parts", ()):
        found += _notes(getattr(part, "model", None))
    return found


def _identity(model: Any) -> list[Any]:
    """Where the weights of an encoder and of its parts come from, as JSON: what `default` weights
    are may have changed since an earlier start."""
    found = [getattr(model, "origin", None)]
    for part in getattr(model, "parts", ()):
        found.append(_identity(getattr(part, "model", None)))
    return found


def _fingerprint(said: list[Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
