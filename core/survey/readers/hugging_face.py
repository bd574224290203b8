"""Reads folders that the `datasets` library of Hugging Face saved, without that library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.errors import BadInput
from core.survey.readers.arrow_images import check_names, class_names
from core.survey.readers.arrow_reader import ArrowReader, Piece, Shard, chosen_splits
from core.survey.readers.registry import register_reader
from core.survey.readers.source_file import beginning, brief, stamp_of
from core.survey.readers.unreadable import Unreadable

INFO, STATE, SPLITS = "dataset_info.json", "state.json", "dataset_dict.json"
_MOST_JSON_BYTES = 64 * 1024**2
_MOST_BATCHES = 10_000_000
_END_MARKS = (b"\xff\xff\xff\xff\0\0\0\0", b"\0\0\0\0")
"""Of an Arrow stream, now and before version 0.15."""


@register_reader("hugging-face", "a folder saved by the Hugging Face `datasets` library")
class HuggingFaceReader(ArrowReader):
    """Images and columns of a data set on disk: dataset_info.json and Arrow files, or a folder
    of each split.

    Splits become the column `split`. Arrow files are memory-mapped and read a record batch at a
    time.
    """

    kind = "Hugging Face data set"

    @classmethod
    def recognises(cls, source: Path) -> int:
        return 90 if _is_saved(source) else 0

    def _look(self, splits: set[str] | None) -> pa.Schema:
        try:
            folders = self._folders(splits)
            self._features: dict[str, Any] = {}
            schema: pa.Schema | None = None
            first, reason = 0, ""
            for split, folder in folders:
                features = _json(self.source / folder / INFO).get("features")
                if isinstance(features, dict) and not self._features:
                    self._features = features
                for name in _data_files(self.source / folder):
                    path = f"{folder}/{name}" if folder != "." else name
                    number = len(self._shards)
                    try:
                        shard = Shard(path, stamp_of(self.source / path), split)
                        self._shards.append(shard)
                        found, batches = _batches(self.source / path)
                    except Unreadable as error:
                        if len(self._shards) == number:
                            self._shards.append(Shard(path, (0, 0), split))
                        reason = reason or f"{path} {error}"
                        self._pieces.append(Piece(number, 0, first, 1, str(error)))
                        first += 1
                        continue
                    schema = found if schema is None else schema
                    for place, n_rows, problem in batches:
                        self._pieces.append(Piece(number, place, first, n_rows, problem))
                        first += n_rows
        except Unreadable as error:
            raise BadInput(f"{self.source} {error}; save the data set anew.") from None
        if schema is None or not any(not piece.problem for piece in self._pieces):
            told = f" ({reason})" if reason else ""
            raise BadInput(f"No row can be read from {self.source}{told}; check the data.")
        return schema

    def _folders(self, splits: set[str] | None) -> list[tuple[str, str]]:
        """Splits and their folders below the source."""
        if not (self.source / SPLITS).is_file():
            if splits is not None:
                chosen_splits([], splits)
            return [("", ".")]
        there = _json(self.source / SPLITS).get("splits")
        names = [one for one in there if isinstance(one, str)] if isinstance(there, list) else []
        plain = [name for name in names if name and not set(name) & set("/\\\0") and name != ".."]
        wanted = chosen_splits(plain, splits)
        if len(wanted) < len(plain):
            left_out = ", ".join(name for name in plain if name not in wanted)
            self.notes.append(f"Splits that were left out: {left_out}.")
        if not wanted:
            raise Unreadable(f"names no split in {SPLITS}")
        return [(name, name) for name in wanted]

    def _class_names(self) -> dict[str, tuple[str, ...]]:
        return class_names(self._features)

    def _rows(self, piece: Piece, start: int, stop: int, columns: list[str]) -> pa.Table:
        path = self._path(self._shards[piece.shard])
        try:
            with pa.memory_map(str(path)) as file:
                schema = pa.ipc.open_stream(file).schema
                file.seek(piece.place)
                batch = pa.ipc.read_record_batch(pa.ipc.read_message(file), schema)
                rows = batch.slice(start, stop - start).select(
                    [name for name in columns if name in batch.schema.names]
                )
                rows.validate(full=True)  # offsets of a damaged file lead anywhere
                return pa.Table.from_batches([rows])
        except Exception as error:  # the file is anything
            raise Unreadable(f"cannot be read ({brief(error)})") from None


def _is_saved(folder: Path) -> bool:
    try:
        if (folder / SPLITS).is_file():
            return True
        if not (folder / INFO).is_file():
            return False
        return (folder / STATE).is_file() or any(True for _ in folder.glob("*.arrow"))
    except (OSError, ValueError):
        return False


def _data_files(folder: Path) -> list[str]:
    """Arrow files in their order: as state.json lists them, else by name."""
    if (folder / STATE).is_file():
        listed = _json(folder / STATE).get("_data_files")
        names = [one.get("filename") for one in listed] if isinstance(listed, list) else []
        if not all(isinstance(name, str) and Path(name).name == name for name in names):
            raise Unreadable(f"names files in {STATE} that do not lie in its folder")
        return [str(name) for name in names]
    return sorted(path.name for path in folder.glob("*.arrow"))


def _batches(path: Path) -> tuple[pa.Schema, list[tuple[int, int, str]]]:
    """Schema, and place, rows and problem of each record batch; raises `Unreadable`.

    What follows a damaged batch is one piece with a problem.
    """
    if not beginning(path, 4):
        raise Unreadable("is empty or cannot be read")
    found: list[tuple[int, int, str]] = []
    try:
        with pa.memory_map(str(path)) as file:
            stream = pa.ipc.open_stream(file)
            schema = stream.schema
            check_names(schema)
            if any(pa.types.is_dictionary(field.type) for field in schema):
                raise Unreadable("has dictionaries, which are not read from Arrow files here")
            while len(found) < _MOST_BATCHES:
                place = file.tell()
                try:
                    batch = stream.read_next_batch()
                except StopIteration:
                    file.seek(place)
                    if file.read(8) not in _END_MARKS:
                        n_rows = sum(n for _, n, _ in found)
                        found.append((place, 1, f"is cut short after {n_rows:,} rows"))
                    break
                except Exception as error:
                    after = f"after {sum(n for _, n, _ in found):,} rows"
                    found.append((place, 1, f"is cut short or damaged {after} ({brief(error)})"))
                    break
                if batch.num_rows:
                    found.append((place, batch.num_rows, ""))
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"is no Arrow stream ({brief(error)})") from None
    return schema, found


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise Unreadable(f"has a {path.name} that is too large to be true")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unreadable(f"has a {path.name} that cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise Unreadable(f"has a damaged {path.name}") from None
    if not isinstance(found, dict):
        raise Unreadable(f"has a damaged {path.name}")
    return found
