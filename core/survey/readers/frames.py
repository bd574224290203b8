"""Makes a survey of a catalogue by cutting objects out of whole survey frames, frame by frame."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from core.errors import BadInput, SkysiftError
from core.survey.batch import Batch, BatchBuilder, Reject
from core.survey.layout import ColumnInfo, Layout
from core.survey.options import ImportOptions
from core.survey.readers.registry import Reader, Unit, register_reader
from core.survey.readers.unreadable import Unreadable
from core.survey.sky.cache import default_cache
from core.survey.sky.client import Client
from core.survey.sky.entries import entries_by_position
from core.survey.sky.frame_collections import COLLECTIONS, Collection
from core.survey.sky.frame_order import FrameOrder
from core.survey.sky.frame_store import FrameStore
from core.survey.sky.pace import MANNERS, manners_from
from core.survey.sky.services import Entry

_UNIT_FRAMES = 4
"""Between units the job tells how far it is, can be stopped, and keeps what it has."""

_FRAMES_AHEAD = 2
_DEFAULT_SIZE_PX = 64
_DEFAULT_KEEP_GB = 20.0

_COLUMNS = {
    "ra": ColumnInfo("deg", "right ascension (ICRS)"),
    "dec": ColumnInfo("deg", "declination (ICRS)"),
    "frame": ColumnInfo("", "the frame that the object was cut out of"),
    "padded": ColumnInfo("", "part of the cutout that lies outside the frame"),
    "zero_fraction": ColumnInfo("", "part of the pixels that are 0 or missing"),
}


@register_reader("frames", "a catalogue; its objects are cut out of downloaded survey frames")
class FramesReader(Reader):
    """For more objects than a cutout service should be asked for. Entries are the rows of a
    table with positions and what names the frame (see `core.survey.sky.frame_collections`).

    Each frame is downloaded once, whatever the order of the table: objects become rows in the
    order of their frames. A frame that cannot be had turns its objects away.
    """

    own_options: ClassVar = {
        "collection": "; ".join(f"{name}: {one.description}" for name, one in COLLECTIONS.items()),
        "keep_gb": "space that downloaded frames may take, in GB (20)",
        "base_url": "address of the frames, where it is not the documented one",
        "cache": "folder of what was downloaded (default: ~/.cache/skysift/downloads)",
        **MANNERS,
    }
    polite = True

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        own = options.own(self.own_options)
        self._manners = manners_from(own)
        self._cache = Path(own["cache"]).expanduser() if own.get("cache") else default_cache()
        self._keep_bytes = _keep_bytes(own.get("keep_gb"))
        self._entries = entries_by_position(source, options)
        names = list(self._entries.columns)
        self._collection = _collection(own, source, names)
        bands = self._collection.checked_bands(options.bands)
        self.n_entries = self._entries.n_entries
        self.notes = [
            *self._entries.notes,
            "Objects are in the order of the frames that they lie on, not of the table.",
        ]
        self.layout = Layout(
            bands=bands,
            cutout_size_px=options.size_px or _DEFAULT_SIZE_PX,
            dtype="float32",
            pixel_scale_arcsec=self._collection.pixel_scale_arcsec,
            origin=options.origin or self._collection.origin,
            licence=options.licence or self._collection.licence,
            columns={**self._entries.columns, **_COLUMNS},
        )
        self.settings = {
            "collection": self._collection.name,
            "base_url": self._collection.address,
            "keep_gb": self._keep_bytes / 1e9,
            "questions_per_second": self._manners.per_second,
            "questions_at_once": self._manners.concurrent,
        }
        self._client: Client | None = None
        self._order = FrameOrder(self._order_path(), self._entries, self._collection.frame)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_client": None}

    @classmethod
    def recognises(cls, source: Path) -> int:  # noqa: ARG003
        return 0  # a catalogue is a table first: who wants downloads says so

    def units(self) -> Iterator[Unit]:
        """Whole frames together up to the size of a unit; a crowded frame becomes several."""
        limit = self.layout.unit_entries
        number = start = held = n_frames = 0
        for _frame, n in self._order.counts():
            if held and (held + n > limit or n_frames == _UNIT_FRAMES):
                yield _unit(number, start, held)
                number, start, held, n_frames = number + 1, start + held, 0, 0
            held, n_frames = held + n, n_frames + 1
            while held > limit:
                yield _unit(number, start, limit)
                number, start, held = number + 1, start + limit, held - limit
        if held:
            yield _unit(number, start, held)

    def read(self, unit: Unit) -> Iterator[Batch]:
        if self._client is None:
            self._client = Client(self._cache, self._manners)
        client = self._client
        store = FrameStore(self._cache / "frames", self._keep_bytes)
        rows = self._order.rows(unit.what[0], unit.what[-1] + 1)
        groups = [
            (frame, [one for _frame, one in same])
            for frame, same in groupby(rows, key=lambda row: row[0])
        ]
        pool = ThreadPoolExecutor(self._manners.concurrent, thread_name_prefix="frames")
        with client:
            try:
                coming: dict[int, dict[str, Future[Path]]] = {}
                for number, (frame, ones) in enumerate(groups):
                    for ahead in range(number, min(number + _FRAMES_AHEAD + 1, len(groups))):
                        if ahead not in coming and groups[ahead][0]:
                            coming[ahead] = self._send(pool, client, store, groups[ahead][0])
                    gathered = BatchBuilder()
                    used = self._cut(gathered, frame, ones, coming.pop(number, {}), store)
                    near = [one for later in coming.values() for one in _done(later)]
                    store.trim(keep={*used, *near})
                    yield gathered.take()
            except BaseException:  # also a reader that is closed: nobody waits for the rest
                client.stop()
                self._client = None
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            pool.shutdown()

    def _send(
        self, pool: ThreadPoolExecutor, client: Client, store: FrameStore, frame: str
    ) -> dict[str, Future[Path]]:
        kind = self._collection.kind
        return {
            band: pool.submit(store.get, client, self._collection.url(frame, band), kind)
            for band in self.layout.bands
        }

    def _cut(
        self,
        gathered: BatchBuilder,
        frame: str,
        ones: list[Entry | Reject],
        coming: dict[str, Future[Path]],
        store: FrameStore,
    ) -> list[Path]:
        """Cut the objects of one frame; the files that were used."""
        from core.survey.mosaics.cutouts import cut_many
        from core.survey.positions import Position

        entries = []
        for one in ones:
            if isinstance(one, Reject):
                gathered.reject(one.source, one.reason, one.member)
            else:
                entries.append(one)
        if not entries:
            return []
        paths: dict[str, Path] = {}
        done = 0
        try:
            for band, future in coming.items():
                try:
                    paths[band] = future.result()
                except Unreadable as error:
                    raise Unreadable(f"{band} {error}") from None
            positions = (Position(e.object_id, e.ra, e.dec, dict(e.columns)) for e in entries)
            for entry, found in zip(
                entries, cut_many(paths, positions, self.layout.cutout_size_px), strict=True
            ):
                done += 1
                if isinstance(found, Reject):
                    gathered.reject(self.source.name, found.reason, entry.object_id)
                    continue
                _position, image, columns = found
                gathered.add(
                    entry.object_id, {**entry.columns, **columns, "frame": frame}, image=image
                )
        except SkysiftError:
            raise
        except Exception as error:
            # Decoders meet hostile bytes and raise anything.
            if len(paths) == len(coming):  # all came, and one of them is no image
                for path in paths.values():
                    store.drop(path)
            said = str(error) if isinstance(error, Unreadable) else type(error).__name__
            for entry in entries[done:]:
                reason = f"its frame {frame} cannot be used: {said}"
                gathered.reject(self.source.name, reason, entry.object_id)
        return list(paths.values())

    def _order_path(self) -> Path:
        """A name that changes when the list or the way of reading it does."""
        stat = os.stat(self.source)
        said = (
            os.path.realpath(self.source),
            stat.st_size,
            stat.st_mtime_ns,
            self.n_entries,
            self._collection.name,
            self.options.id_column,
            self.options.ra_column,
            self.options.dec_column,
            self.options.missing,
        )
        key = hashlib.sha256(repr(said).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return self._cache / "orders" / f"{key}.sqlite"


def _unit(number: int, start: int, n: int) -> Unit:
    return Unit(number, n, list(range(start, start + n)))


def _done(coming: dict[str, Future[Path]]) -> Iterator[Path]:
    for future in coming.values():
        if future.done() and not future.cancelled() and future.exception() is None:
            yield future.result()


def _collection(own: dict[str, str], source: Path, names: list[str]) -> Collection:
    """The collection that was named, or the one whose columns the table has."""
    name = own.get("collection")
    if name is None:
        surely = [one for one in COLLECTIONS.values() if one.needs]
        fitting = [one.name for one in surely if one.tells(names)]
        lower = {column.lower() for column in names}
        name = fitting[0] if fitting else "legacy" if "brickname" in lower else ""
    if name not in COLLECTIONS:
        raise BadInput(
            f"The frames reader wants to know whose frames: set collection to one of"
            f" {', '.join(sorted(COLLECTIONS))}"
            + (f", not {name!r}" if name else "")
            + " (--set collection=NAME)."
        )
    collection = COLLECTIONS[name](own.get("base_url"))
    if not collection.tells(names):
        raise BadInput(
            f"{source} should say on which frame each object lies, in the columns"
            f" {', '.join(collection.needs)}, but does not have them all; add them (SDSS's table"
            " PhotoObj has them), or take another collection."
        )
    return collection


def _keep_bytes(value: str | None) -> int:
    try:
        gigabytes = _DEFAULT_KEEP_GB if value is None else float(value)
        if 0 <= gigabytes < 1e9:
            return int(gigabytes * 1e9)
    except ValueError:
        pass
    raise BadInput(f"keep_gb is a number of GB, 0 or more, but is {value!r}; change that setting.")
