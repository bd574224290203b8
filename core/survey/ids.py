"""Which object ids a survey has so far: 16 bytes an id, whatever their length."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

from core.errors import BadInput
from core.vocabulary import checked_object_id

_RECENT = 65_536


def id_hashes(texts: Sequence[str]) -> np.ndarray:
    """(N,) uint64 hash of each text (BLAKE2b)."""
    joined = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for text in texts
    )
    return np.frombuffer(joined, dtype="<u8")


class IdIndex:
    """Text -> number of the row that has it, exact, in bounded memory.

    Hashes of the newest ids lie in a dictionary, the older ones sorted in arrays. Two ids may
    share a hash, so a hit is looked up in full by `text_at`.
    """

    def __init__(self, text_at: Callable[[int], str]) -> None:
        self._text_at = text_at
        self._recent: dict[int, int] = {}
        self._hashes = np.empty(0, np.uint64)
        self._rows = np.empty(0, np.int64)
        self._doubled: dict[str, int] = {}
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def add(self, text: str, row: int, hashed: int) -> None:
        self._n += 1
        if hashed in self._recent or self._find_old(hashed) >= 0:
            self._doubled[text] = row  # another text of the same hash
            return
        self._recent[hashed] = row
        if len(self._recent) >= _RECENT:
            self._merge()

    def add_many(self, hashes: np.ndarray, first_row: int) -> None:
        """Take in the ids of neighbouring rows, known to be new (those of an older version)."""
        self._merge()
        rows = first_row + np.arange(len(hashes), dtype=np.int64)
        self._n += len(hashes)
        self._sort_in(hashes, rows)

    def row(self, text: str, hashed: int) -> int:
        """The row of a text, -1 where there is none."""
        row = self._recent.get(hashed, -1)
        if row < 0:
            row = self._find_old(hashed)
        if row < 0 or self._text_at(row) == text:
            return row
        return self._doubled.get(text, -1)

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """(N,) int64: the row of each text, -1 where there is none."""
        hashes = id_hashes(texts)
        return np.array(
            [self.row(text, int(one)) for text, one in zip(texts, hashes, strict=True)], np.int64
        )

    def _find_old(self, hashed: int) -> int:
        if len(self._hashes) == 0:
            return -1
        at = int(np.searchsorted(self._hashes, np.uint64(hashed)))
        if at < len(self._hashes) and int(self._hashes[at]) == hashed:
            return int(self._rows[at])
        return -1

    def _merge(self) -> None:
        if self._recent:
            hashes = np.fromiter(self._recent.keys(), np.uint64, len(self._recent))
            rows = np.fromiter(self._recent.values(), np.int64, len(self._recent))
            self._recent = {}
            self._sort_in(hashes, rows)

    def _sort_in(self, hashes: np.ndarray, rows: np.ndarray) -> None:
        order = np.argsort(hashes, kind="stable")
        hashes, rows = hashes[order], rows[order]
        places = np.searchsorted(self._hashes, hashes)
        self._hashes = np.insert(self._hashes, places, hashes)
        self._rows = np.insert(self._rows, places, rows)


class SeenIds:
    """The ids of a survey as it is written: which are taken, which differ by case alone."""

    def __init__(self, object_id_at: Callable[[int], str]) -> None:
        self._ids = IdIndex(object_id_at)
        self._folded = IdIndex(lambda row: object_id_at(row).casefold())

    def see_again(self, object_ids: Sequence[str], first_row: int) -> None:
        """Take in the ids of neighbouring rows, known to be new."""
        self._ids.add_many(id_hashes(object_ids), first_row)
        for row, object_id in enumerate(object_ids, start=first_row):
            if _is_cased(object_id):
                folded = object_id.casefold()
                self._folded.add(folded, row, int(id_hashes([folded])[0]))

    def refusal(self, object_id: str, hashed: int) -> str:
        """Why an id cannot come in, in words; empty if it can."""
        try:
            checked_object_id(object_id)
        except BadInput as error:
            return str(error)
        row = self._ids.row(object_id, hashed)
        return f"its object_id {object_id!r} is taken by row {row}" if row >= 0 else ""

    def rows(self, object_ids: Sequence[str]) -> np.ndarray:
        """(N,) int64: the row of each id, -1 where there is none."""
        return self._ids.rows([one_form(one) for one in object_ids])

    def add(self, object_id: str, row: int, hashed: int) -> bool:
        """Take in the id of a new row; True if another differs from it by case alone."""
        self._ids.add(object_id, row, hashed)
        if not _is_cased(object_id):
            return False
        folded = object_id.casefold()
        folded_hash = int(id_hashes([folded])[0])
        if self._folded.row(folded, folded_hash) >= 0:
            return True
        self._folded.add(folded, row, folded_hash)
        return False


def one_form(text: str) -> str:
    """Text in Unicode's composed form (NFC): what looks the same is the same."""
    is_plain = not isinstance(text, str) or text.isascii()
    return text if is_plain else unicodedata.normalize("NFC", text)


def _is_cased(text: str) -> bool:
    return text.upper() != text.lower()
