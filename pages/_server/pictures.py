"""Pictures of objects for the routes: drawn once, kept within bytes, a few at a time.

Drawing holds memory in proportion to the picture, and a thread of the pool that also answers the
label posts. So there is a gate: only so many bytes and threads draw at once, only so many wait,
and who comes when that is full is told to ask again.
"""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import BadInput, NotFound, NotReady
from core.survey import Survey
from pages._server.drawn import SPECTRUM_WIDTHS, bytes_to_chart, drawn_object, drawn_spectrum

if TYPE_CHECKING:
    from core.display import Look
    from core.measure import Residual

__all__ = [
    "PICTURE_SIZES",
    "DrawingGate",
    "PictureCache",
    "Pictures",
    "Rendered",
    "row_with_picture",
]

PICTURE_SIZES = (64, 128, 256, 512, 768, 1024)
"""Sides in pixels that pictures are rendered at: a few, so that the cache is hit."""

_PATIENCE_S = 20.0
"""How long a thread waits for room or for the same picture, before the browser is to ask again."""

MAX_PIXEL_VALUES = 4 * 1024 * 1024
"""Values in one answer of raw pixels."""


@dataclass(frozen=True)
class Rendered:
    """Bytes of an answer, the shape of the array in them (() of a PNG), and a sentence or ""."""

    body: bytes
    shape: tuple[int, ...] = ()
    note: str = ""

    @property
    def size_bytes(self) -> int:
        return len(self.body) + len(self.note) + 200


class PictureCache:
    """Keeps what was used last, at most `max_bytes` of it; safe between threads.

    One thing takes at most `max_item_bytes` (a quarter of all unless told otherwise): what is
    larger is handed out and forgotten, so that one huge picture does not push out all others.
    """

    def __init__(
        self, max_bytes: int = 128 * 1024 * 1024, max_item_bytes: int | None = None
    ) -> None:
        self._max_bytes = max_bytes
        self._max_item_bytes = max_bytes // 4 if max_item_bytes is None else max_item_bytes
        self._bytes = 0
        self._items: OrderedDict[Hashable, Rendered] = OrderedDict()
        self._making: dict[Hashable, Future[Rendered]] = {}
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        return self._bytes

    def get(self, key: Hashable, render: Callable[[], Rendered]) -> Rendered:
        """What belongs to `key`, rendered if it is not there.

        Whoever asks for the same while it is being rendered waits for that, and shares its error.
        """
        with self._lock:
            found = self._items.get(key)
            if found is not None:
                self._items.move_to_end(key)
                return found
            running = self._making.get(key)
            if running is None:
                mine = self._making[key] = Future()
        if running is not None:
            try:
                return running.result(_PATIENCE_S)
            except FutureTimeout:
                raise NotReady(
                    "This picture is still being drawn for somebody else; ask for it again in a"
                    " moment."
                ) from None
        try:
            rendered = render()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._making[key]
            self._keep(key, rendered)
        mine.set_result(rendered)
        return rendered

    def _keep(self, key: Hashable, rendered: Rendered) -> None:
        if rendered.size_bytes > self._max_item_bytes:
            return
        self._items[key] = rendered
        self._bytes += rendered.size_bytes
        while self._bytes > self._max_bytes:
            _, dropped = self._items.popitem(last=False)
            self._bytes -= dropped.size_bytes


class DrawingGate:
    """Lets a bounded number of threads, holding a bounded number of bytes, draw at once.

    Parameters
    ----------
    max_bytes
        What all of them may hold together; one that needs more draws alone.
    max_running, max_waiting
        Threads inside, and threads in front.
    patience_s
        How long one waits before it is sent away.
    """

    def __init__(
        self,
        max_bytes: int = 768 * 1024 * 1024,
        max_running: int | None = None,
        max_waiting: int = 16,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_running = max_running or max(2, min(4, os.cpu_count() or 2))
        self._max_waiting = max_waiting
        self._patience_s = patience_s
        self._bytes = self._running = self._waiting = 0
        self._changed = threading.Condition()

    @contextmanager
    def room_for(self, n_bytes: int) -> Iterator[None]:
        """Hold room for `n_bytes` while the block runs.

        Raises
        ------
        NotReady
            Too many wait already, or it took too long: ask again in a moment.
        """
        needed = min(n_bytes, self._max_bytes)
        with self._changed:
            if not self._fits(needed):
                if self._waiting >= self._max_waiting:
                    raise self._busy()
                self._waiting += 1
                try:
                    if not self._changed.wait_for(lambda: self._fits(needed), self._patience_s):
                        raise self._busy()
                finally:
                    self._waiting -= 1
            self._bytes += needed
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._bytes -= needed
                self._running -= 1
                self._changed.notify_all()

    def _fits(self, needed: int) -> bool:
        return self._running < self._max_running and self._bytes + needed <= self._max_bytes

    def _busy(self) -> NotReady:
        return NotReady(
            f"The server is drawing {self._running} pictures and {self._waiting} more wait; ask"
            " for this one again in a moment."
        )


class Pictures:
    """Draws the pictures of all surveys; everything here may be called from any thread."""

    def __init__(self, cache: PictureCache | None = None, gate: DrawingGate | None = None) -> None:
        self.cache = cache if cache is not None else PictureCache()
        self.gate = gate if gate is not None else DrawingGate()
        # A Sersic fit takes a processor for a tenth of a second: one at a time, and few waiting.
        self._fits = DrawingGate(max_running=1, max_waiting=8)

    def picture(
        self, survey: Survey, object_id: str, size_px: int, look: Look | None = None
    ) -> Rendered:
        """A PNG of the object by a look (the default look if None).

        `size_px` is rounded up to one of `PICTURE_SIZES`; 0 leaves the pixels as they are.

        Raises
        ------
        NotFound
            The survey has no such object, or the object no picture.
        NotReady
            Too many pictures are being drawn.
        """
        from core.display import Look, render_look

        look = look if look is not None else Look()
        size = None
        if size_px > 0:
            size = next((step for step in PICTURE_SIZES if step >= size_px), PICTURE_SIZES[-1])

        def draw() -> Rendered:
            row = row_with_picture(survey, object_id)
            taken = self._residual(survey, object_id, row, look)
            with self.gate.room_for(bytes_to_draw(survey, look, size)):
                body, note = render_look(survey.image(row), survey.manifest, look, size, taken)
            return Rendered(body, note=note)

        return self.cache.get(("png", *_named(survey, object_id), size, look.key()), draw)

    def drawing(
        self,
        survey: Survey,
        object_id: str,
        size_px: int,
        *,
        dark: bool = True,
        wide: bool = False,
    ) -> Rendered:
        """A PNG of an object that has no picture: its spectrum, or its row of the table.

        `size_px` as of `picture`; there are no pixels to be left as they are, so that 0 is taken
        for the largest size.

        Raises
        ------
        NotFound
            The survey has no such object, or there is nothing to draw of it.
        NotReady
            Too many pictures are being drawn.
        """
        size = next((step for step in PICTURE_SIZES if step >= size_px > 0), PICTURE_SIZES[-1])

        def draw() -> Rendered:
            row = survey.row(object_id)
            with self.gate.room_for(bytes_to_chart(survey, size, size)):
                return Rendered(drawn_object(survey, row, size, dark=dark, wide=wide))

        return self.cache.get(("drawn", *_named(survey, object_id), size, dark, wide), draw)

    def spectrum(
        self, survey: Survey, object_id: str, width_px: int, *, dark: bool = True
    ) -> Rendered:
        """A PNG of an object's spectrum, `width_px` rounded up to one of `SPECTRUM_WIDTHS`.

        Raises
        ------
        NotFound
            The survey has no such object, or the object no spectrum.
        NotReady
            Too many pictures are being drawn.
        """
        width = next((step for step in SPECTRUM_WIDTHS if step >= width_px), SPECTRUM_WIDTHS[-1])

        def draw() -> Rendered:
            row = survey.row(object_id)
            with self.gate.room_for(bytes_to_chart(survey, width, width)):
                return Rendered(drawn_spectrum(survey, row, width, dark=dark))

        return self.cache.get(("spectrum", *_named(survey, object_id), width, dark), draw)

    def levels(self, survey: Survey, object_id: str, look: Look) -> Rendered:
        """The stretched values as little-endian uint16 (C, y, x); errors as of `picture`."""
        from core.display import look_levels

        plain = look.levels()

        def draw() -> Rendered:
            row = row_with_picture(survey, object_id)
            taken = self._residual(survey, object_id, row, plain)
            with self.gate.room_for(bytes_to_draw(survey, plain, None)):
                levels, note = look_levels(survey.image(row), survey.manifest, plain, taken)
                return Rendered(levels.tobytes(), levels.shape, note)

        return self.cache.get(("levels", *_named(survey, object_id), plain.key()), draw)

    def pixels(
        self, survey: Survey, object_id: str, window: tuple[int, int, int, int]
    ) -> Rendered:
        """The values of a window (x0, y0, x1, y1), ends excluded, as "<f4" (band, y, x).

        Raises
        ------
        BadInput
            The window is empty or not in the picture, or has more than `MAX_PIXEL_VALUES` values.
        """
        row = row_with_picture(survey, object_id)
        x0, y0, x1, y1 = window
        side = survey.manifest.cutout_size_px
        if not (0 <= x0 < x1 <= side and 0 <= y0 < y1 <= side):
            raise BadInput(
                f"A window lies within the picture, 0 to {side}, and ends after it begins, but x"
                f" goes from {x0} to {x1} and y from {y0} to {y1}; correct x0, y0, x1, y1."
            )
        shape = (len(survey.manifest.bands), y1 - y0, x1 - x0)
        if math.prod(shape) > MAX_PIXEL_VALUES:
            raise BadInput(
                f"One answer holds at most {MAX_PIXEL_VALUES:,} pixel values, but this window has"
                f" {math.prod(shape):,}; ask for a smaller one by x0, y0, x1, y1."
            )
        with self.gate.room_for(bytes_to_draw(survey, None, None)):
            values = survey.image(row)[:, y0:y1, x0:x1].astype("<f4")
        return Rendered(values.tobytes(), shape)

    def _residual(self, survey: Survey, object_id: str, row: int, look: Look) -> Residual | None:
        """The fitted residual of a look, kept: other stretches of it need no other fit."""
        if look.residual != "sersic":
            return None
        from core.display import Look, residual_of
        from core.measure import Residual

        only = Look(
            colour="band" if look.colour == "band" else "survey",
            band=look.band,
            residual=look.residual,
            smooth=look.smooth,
        )

        def fit() -> Rendered:
            with self._fits.room_for(bytes_to_draw(survey, only, None)):
                found = residual_of(survey.image(row), survey.manifest, only)
            values = found.values.astype(np.float32)
            return Rendered(values.tobytes(), values.shape, found.note)

        kept = self.cache.get(("fit", *_named(survey, object_id), only.key()), fit)
        values: Any = np.frombuffer(kept.body, np.float32).reshape(kept.shape)
        return Residual(values.astype(np.float64), kept.note)


def _named(survey: Survey, object_id: str) -> tuple[str, str]:
    return survey.manifest.content_hash, object_id


def row_with_picture(survey: Survey, object_id: str) -> int:
    """The row of an object; `NotFound` if there is no such object, or no picture of it."""
    row = survey.row(object_id)
    if "images" not in survey.manifest.modalities:
        raise NotFound(
            f"The survey {survey.name} has no pictures, only"
            f" {' and '.join(survey.manifest.modalities)}; there are no pixels to look at or to"
            " measure in."
        )
    if not survey.has_image[row]:
        raise NotFound(f"The object {object_id} of the survey {survey.name} has no picture.")
    return row


def bytes_to_draw(survey: Survey, look: Look | None, size_px: int | None) -> int:
    """What drawing holds at its height, at most: so many arrays of eight bytes at once."""
    manifest = survey.manifest
    values = len(manifest.bands) * manifest.cutout_size_px**2
    shown = max(size_px or 0, manifest.cutout_size_px) ** 2
    if look is None:
        return values * 8
    return values * 8 * 4 + shown * 8 * (8 if look.single else 20)
