"""The mosaics of a survey: which of them a position lies on, and a few of them open at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.survey.mosaics.cutouts import CHANGED
from core.survey.mosaics.tiles import Tile, unit_vectors
from core.survey.readers.mosaic_files import TileFile
from core.survey.readers.unreadable import Unreadable

_OPEN_TILES = 16


class MosaicTiles:
    """Mosaics by their number; can be pickled (without those that are open).

    Attributes
    ----------
    files
        Every plane of every mosaic.
    of_band
        The numbers of the mosaics of each band, in the order of bands.
    """

    def __init__(self, source: Path, files: Sequence[TileFile], bands: Sequence[str]) -> None:
        self._source = source
        self.files = list(files)
        self.of_band: dict[str, list[int]] = {band: [] for band in bands}
        for number, tile in enumerate(self.files):
            self.of_band[tile.band].append(number)
        self._opened: OrderedDict[tuple[str, int], Tile] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": OrderedDict()}

    def choose(
        self, band: str, ra: np.ndarray, dec: np.ndarray, cut_off: dict[int, str]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For (N,) positions the tile whose edge is farthest (-1: none), the row there, and how
        many tiles they lie on."""
        best = np.full(len(ra), -1, dtype=np.int64)
        row, farthest = np.zeros(len(ra)), np.full(len(ra), -np.inf)
        over = np.zeros(len(ra), dtype=np.int64)
        vectors = unit_vectors(ra, dec)
        for number in self.of_band[band]:
            about = self.files[number]
            near = np.flatnonzero(vectors @ np.array(about.centre) >= about.cos_radius)
            if not len(near):
                continue
            try:
                tile = self.open(number)
            except Unreadable:
                continue
            x, y = tile.pixels(ra[near], dec[near])
            edge = tile.edge_distance(x, y)
            on_it = edge >= 0
            over[near] += on_it
            missing = (x >= -0.5) & (x <= tile.width - 0.5) & (y > tile.height_there - 0.5)
            for at in near[missing & (y <= tile.height - 0.5)].tolist():
                cut_off[at] = about.name
            better = on_it & (edge > farthest[near])
            at = near[better]
            best[at], row[at], farthest[at] = number, y[better], edge[better]
        return best, row, over

    def open(self, number: int) -> Tile:
        about = self.files[number]
        key = (about.name, about.hdu)
        if key in self._opened:
            self._opened.move_to_end(key)
            return self._opened[key]
        tile = Tile.open(self.path(about), about.hdu)
        if tile.stamp != about.stamp:
            tile.close()
            raise Unreadable(CHANGED)
        while len(self._opened) >= max(_OPEN_TILES, 2 * len(self.of_band)):
            self._opened.popitem(last=False)[1].close()
        self._opened[key] = tile
        return tile

    def forget(self, number: int) -> None:
        about = self.files[number]
        tile = self._opened.pop((about.name, about.hdu), None)
        if tile is not None:
            tile.close()

    def close(self) -> None:
        while self._opened:
            self._opened.popitem()[1].close()

    def path(self, tile: TileFile) -> Path:
        return self._source / tile.name if self._source.is_dir() else self._source
