"""What answers the Look-alikes page: uploaded pictures, examples as vectors, and the search."""

from __future__ import annotations

import difflib
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import BadInput, NotFound
from core.survey import Survey
from core.workspace import storage_errors
from pages._server.services import Services
from pages._server.similar_query import Example, SimilarQuery

if TYPE_CHECKING:
    from core.mapping.lookalikes import Lookalikes
    from core.representation import Embedding

__all__ = [
    "Similar",
    "checked_object",
    "close_ids",
    "embedding_of",
    "example_picture",
    "keep_picture",
    "keep_pixels",
    "search",
    "tidy",
    "vectors_of",
]

KEPT_PICTURES = 500
"""Uploaded pictures of a workspace that are kept for links; the oldest go."""

TWINS_AMONG = 500
"""So many of the nearest are compared pixel by pixel with an uploaded picture."""

_BLOCK_BYTES = 32 * 2**20
"""Of the survey's pictures that are compared at once."""

_LEFT_SECONDS = 3600
"""Files half written so long ago are of a server that was killed."""

BINS = 80
_CLOSE, _AMONG = 5, 2000


@dataclass(frozen=True, eq=False)
class Similar:
    """What a search found.

    Attributes
    ----------
    run_id, encoder
        The embedding that was searched.
    rows, distances, standings
        (k,) nearest first, but for twins, which come first; see `core.mapping.lookalikes.Nearest`.
    twins
        Rows whose pixels are those of an uploaded example.
    edges, counts
        (81,) and (80,): how the standings of all that may be found are distributed.
    typical
        The median distance of two random objects.
    n_searched
        Objects that might have been found.
    recall
        Of a search through cells; None of one through everything.
    seconds
        That the search itself took.
    """

    run_id: str
    encoder: str
    rows: np.ndarray
    distances: np.ndarray
    standings: np.ndarray
    twins: frozenset[int]
    edges: np.ndarray
    counts: np.ndarray
    typical: float
    n_searched: int
    recall: float | None
    seconds: float


@dataclass(frozen=True, eq=False)
class _Ready:
    """An embedding that is ready to be searched."""

    searched: Lookalikes
    typical: float


def keep_picture(services: Services, survey: Survey, content: bytes, name: str) -> str:
    """Bring an uploaded file to what the survey holds and keep it; the id to name it by.

    Raises
    ------
    BadInput
        It is no such picture.
    """
    from core.survey.outside_picture import outside_picture

    return keep_pixels(services, survey, outside_picture(survey, content, name))


def keep_pixels(services: Services, survey: Survey, pixels: np.ndarray) -> str:
    """Keep a picture that is as the survey's are, (band, side, side); the id to name it by."""
    picture = hashlib.sha256(pixels.tobytes()).hexdigest()[:24]
    folder = services.workspace.root / "cache" / "pictures"
    path = folder / f"{survey.manifest.content_hash[:16]}-{picture}.npy"
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}.partial")
        try:
            with open(partial, "wb") as file:
                np.save(file, pixels, allow_pickle=False)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        tidy(folder, "*.npy", KEPT_PICTURES)
    return picture


def tidy(folder: Path, pattern: str, most: int) -> None:
    """Remove the oldest files of this pattern but `most`, here and in folders below, and what
    killed servers left; others may do so meanwhile."""
    kept = sorted((_written_at(path), path) for path in folder.rglob(pattern))
    left = [
        path
        for path in folder.rglob("*.partial")
        if 0 < _written_at(path) < time.time() - _LEFT_SECONDS
    ]
    for old in (*(path for _, path in kept[:-most]), *left):
        old.unlink(missing_ok=True)


def _written_at(path: Path) -> float:
    """When, in seconds since 1970; 0 where it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def example_picture(services: Services, survey: Survey, example: Example) -> np.ndarray:
    """(band, side, side) pixels of an example, its part enlarged.

    Raises
    ------
    NotFound
        There is no such object, it has no picture, or the uploaded picture is kept no longer.
    BadInput
        Its part is none.
    """
    from core.survey.outside_picture import part_of_picture
    from pages._server.pictures import row_with_picture

    if example.object_id:
        pixels: np.ndarray = survey.image(row_with_picture(survey, example.object_id))
    else:
        name = f"{survey.manifest.content_hash[:16]}-{example.picture}.npy"
        try:
            pixels = np.load(
                services.workspace.root / "cache" / "pictures" / name, allow_pickle=False
            )
        except (OSError, EOFError, ValueError):
            raise NotFound(
                f"The uploaded picture {example.picture[:6]} is not kept for {survey.name} (any"
                " longer); upload it again."
            ) from None
    return pixels if example.part is None else part_of_picture(pixels, example.part)


def embedding_of(services: Services, survey: Survey, run_id: str) -> Embedding:
    """The embedding of that run; "" for the one in use (`NotFound`, `NotReady`)."""
    from core.representation import load_embedding

    in_use = services.embedding(survey) if not run_id else None
    return in_use if in_use is not None else load_embedding(survey, run_id=run_id)


def vectors_of(
    services: Services, survey: Survey, embedding: Embedding, examples: Sequence[Example]
) -> np.ndarray:
    """(B, D) float32 of examples: of whole objects as stored, of others encoded now.

    Raises
    ------
    NotFound, BadInput
        As `example_picture`; or the encoder had nothing to see, or looks at no pictures.
    """
    return np.stack([_vector(services, survey, embedding, one) for one in examples])


def _vector(
    services: Services, survey: Survey, embedding: Embedding, example: Example
) -> np.ndarray:
    if example.object_id and example.part is None:
        row = survey.row(example.object_id)
        if embedding.mask[row]:
            return embedding.rows(np.array([row]))[0]
        raise BadInput(
            f"{example.object_id[:80]} has no place in the embedding {embedding.run_id}: the"
            " encoder had nothing to see in it; choose another object or embedding."
        )

    def encoded() -> np.ndarray:
        from core.representation.outside import encode_pictures

        pixels = example_picture(services, survey, example)
        vector: np.ndarray = encode_pictures(survey, embedding.run_id, [pixels])[0]
        if not np.isfinite(vector).all():
            raise BadInput(
                f"The encoder {embedding.encoder} sees nothing in {example.name[:80]}; choose"
                " another picture or embedding."
            )
        return vector

    key = (survey.manifest.content_hash, embedding.run_id, example.identity)
    found: np.ndarray = services.example_vectors.get(key, encoded)
    return found


def search(
    services: Services,
    survey: Survey,
    query: SimilarQuery,
    labelled: np.ndarray,
    passing: np.ndarray | None = None,
) -> Similar:
    """The look-alikes, kept for the next time the page is drawn.

    labelled: rows that are left out where only unlabelled objects are sought. passing: (N,) bool,
    what may be found; None for everything.

    Raises
    ------
    NotReady
        The survey has no embedding.
    NotFound, BadInput
        An example or the embedding is not there, or there is no example that shall be looked like.
    """
    for one in query.examples:
        if one.object_id:
            checked_object(services, survey, one.object_id)
    embedding = embedding_of(services, survey, query.embedding)
    may = np.ones(len(survey), bool) if passing is None else passing.copy()
    if query.only_unlabelled:
        may[labelled] = False
    key = (
        *(survey.manifest.content_hash, embedding.run_id, query),
        hashlib.sha256(np.packbits(may).tobytes()).digest(),
    )
    found: Similar = services.found_alike.get(
        key, lambda: _search(services, survey, embedding, query, may)
    )
    return found


def _search(
    services: Services,
    survey: Survey,
    embedding: Embedding,
    query: SimilarQuery,
    allowed: np.ndarray,
) -> Similar:
    from core.mapping.lookalikes import Wanted

    like = [one for one in query.examples if one.is_like]
    unlike = [one for one in query.examples if not one.is_like]
    d = embedding.values.shape[1]
    empty = np.empty((0, d), np.float32)
    wanted = Wanted(
        like=vectors_of(services, survey, embedding, like) if like else empty,
        unlike=vectors_of(services, survey, embedding, unlike) if unlike else empty,
        like_weights=np.array([one.weight for one in like]),
        unlike_weights=np.array([one.weight for one in unlike]),
        how=query.how,
    )
    ready = _ready(services, survey, embedding, query.metric)
    may = ready.searched.seen & allowed
    for one in query.examples:
        if one.object_id and one.part is None:
            may[survey.row(one.object_id)] = False
    uploaded = [one for one in like if one.picture and one.part is None]
    began = time.perf_counter()
    nearest = ready.searched.search(wanted, max(query.shown, TWINS_AMONG if uploaded else 1), may)
    seconds = time.perf_counter() - began
    twins = _twins(services, survey, uploaded, nearest.rows)
    order = np.argsort(~np.isin(nearest.rows, twins), kind="stable")[: query.shown]
    edges, counts = _histogram(nearest.spread)
    cells = ready.searched.cells
    return Similar(
        embedding.run_id,
        embedding.encoder,
        nearest.rows[order],
        nearest.distances[order],
        nearest.standings[order],
        frozenset(map(int, twins)),
        edges,
        counts,
        ready.typical,
        int(may.sum()),
        None if cells is None else cells.recall,
        seconds,
    )


def _ready(services: Services, survey: Survey, embedding: Embedding, metric: str) -> _Ready:
    from core.mapping.cells import EXACT_ROWS
    from core.mapping.lookalikes import Lookalikes
    from core.mapping.near_duplicates import typical_distance
    from core.run_neighbours import prepared

    run = prepared(survey, embedding.run_id, metric) if len(survey) > EXACT_ROWS else None

    def make() -> _Ready:
        cells = None if run is None else run.cells()
        searched = Lookalikes(embedding.values, embedding.mask, metric, cells)
        return _Ready(searched, typical_distance(embedding.values, searched.seen, metric))

    key = (survey.manifest.content_hash, embedding.run_id, metric, run and run.run_id)
    ready: _Ready = services.lookalikes.get(key, make)
    return ready


def _twins(
    services: Services, survey: Survey, uploaded: Sequence[Example], rows: np.ndarray
) -> np.ndarray:
    """Those of the rows whose pixels are those of an uploaded picture; kept."""
    from core.survey.outside_picture import likeness, twins

    seen = rows[survey.has_image[rows]][:TWINS_AMONG]
    if not uploaded or not len(seen):
        return np.empty(0, np.int64)

    def compared() -> np.ndarray:
        given = np.stack([example_picture(services, survey, one) for one in uploaded])
        size = max(1, _BLOCK_BYTES // given[0].nbytes)
        blocks = [seen[at : at + size] for at in range(0, len(seen), size)]
        alike = np.concatenate([likeness(survey.images(block), given) for block in blocks])
        return np.unique(np.concatenate([seen[twins(column)] for column in alike.T]))

    pictures = tuple(one.picture for one in uploaded)
    rows_key = hashlib.sha256(seen.tobytes()).digest()
    key = (survey.manifest.content_hash, pictures, rows_key)
    found: np.ndarray = services.picture_twins.get(key, compared)
    return found


def _histogram(spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(81,) edges from the least to the largest, and (80,) counts."""
    if not len(spread):
        return np.linspace(0, 1, BINS + 1), np.zeros(BINS, np.int64)
    low, high = float(spread.min()), float(spread.max())
    high = high if high > low else low + 1e-6
    place = ((spread - low) * (BINS / (high - low))).astype(np.int64).clip(0, BINS - 1)
    return np.linspace(low, high, BINS + 1), np.bincount(place, minlength=BINS)


def close_ids(services: Services, survey: Survey, text: str) -> list[str]:
    """At most five object_ids that look like what somebody typed."""
    ids: pa.Array = services.find_tables.get(
        ("ids", survey.manifest.content_hash),
        lambda: pa.array(survey.object_ids, pa.large_string()),
    )
    wanted = text.strip()
    among: list[str] = []
    for length in range(len(wanted), 0, -max(1, len(wanted) // 8)):
        rows = pc.indices_nonzero(pc.starts_with(ids, wanted[:length], ignore_case=True))
        among = ids.take(rows[:_AMONG]).to_pylist()
        if len(among) >= _CLOSE:
            break
    if not among:
        rows = pc.indices_nonzero(pc.match_substring(ids, wanted[-12:], ignore_case=True))
        among = ids.take(rows[:_AMONG]).to_pylist()
    return difflib.get_close_matches(wanted, among, _CLOSE, 0.3)


def checked_object(services: Services, survey: Survey, text: str) -> str:
    """The object_id that somebody typed.

    Raises
    ------
    NotFound
        The survey has none such; the closest ones are named.
    """
    for exact in (text, text.strip()):
        try:
            survey.row(exact)
        except NotFound:
            continue
        return exact
    close = close_ids(services, survey, text)
    raise NotFound(
        f"The survey {survey.name} has no object {text.strip()[:80]!r}; "
        + (f"closest are {', '.join(close)}." if close else "check the id against its catalogue.")
    )
