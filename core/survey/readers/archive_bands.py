"""Members of archives that hold one band each, joined to objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import BadInput
from core.survey.readers.archive_views import stem_of_archive
from core.survey.readers.joining import Joined, NamePattern, common_bands, guess_pattern
from core.survey.readers.packed_entries import PackedEntries

_MARK = "\x1f"
_MIN_WHOLE = 0.5
"""A guessed pattern is dropped when fewer of its objects than this have all bands."""


@dataclass(frozen=True)
class JoinedEntries:
    """Entries of an object each, [archive, id, "", [entry of each band]], beside those with a
    problem."""

    entries: PackedEntries
    pattern: str
    bands: tuple[str, ...]
    notes: list[str]


class _JoinedMembers(Joined):
    """As `Joined`, of entries; each path has its entry behind it."""

    def __init__(
        self, entries: Iterable[Any], pattern: NamePattern, archives: Sequence[str]
    ) -> None:
        self._archives = archives
        self._entry = ""
        super().__init__(entries, pattern)

    def _sorted_out(self, names: Iterable[Any], pattern: NamePattern) -> Iterator[str]:
        for record in super()._sorted_out(self._paths(names), pattern):
            yield f"{record}{_MARK}{self._entry}"

    def _paths(self, entries: Iterable[Any]) -> Iterator[str]:
        for entry in entries:
            # "//" stands between the parts of a record.
            self._entry = json.dumps(entry).replace("//", "/\\u002f")
            yield _path(self._archives[entry[0]], entry[1])


def join_members(
    entries: PackedEntries,
    names: Sequence[tuple[str, str]],
    archives: Sequence[str],
    wished: str,
    wished_bands: Sequence[str],
) -> JoinedEntries | None:
    """None where members are objects of their own.

    Parameters
    ----------
    entries
        One a member: [archive, path, problem, place ...].
    names
        Archive and path of some of them.
    archives
        Names of all archives.
    wished
        A pattern (see `NamePattern`), "none", or "" to guess.

    Raises
    ------
    BadInput
        The wished pattern, or the bands wished with it, are not those of the members.
    """
    if wished == "none":
        return None
    paths = [_path(archive, path) for archive, path in names]
    pattern = NamePattern(wished) if wished else guess_pattern(paths)
    if pattern is None:
        return None
    joined = _JoinedMembers((one for one in entries if not one[2]), pattern, archives)
    bands = tuple(wished_bands) or common_bands(joined.counts)
    if not bands or not set(bands) <= set(joined.counts):
        there = ", ".join(list(joined.counts)[:12]) or "no band"
        raise BadInput(
            f"By the pattern {pattern.text!r} the names of the members have {there}, and the bands"
            f" wished are {', '.join(bands) or 'not said'}; change one of them, or set pattern"
            " to none (--set pattern=none)."
        )
    joined.choose(bands)
    n_whole, n_groups = joined.n_whole(len(bands))
    if not wished and n_whole < _MIN_WHOLE * n_groups:
        return None
    found = PackedEntries()
    for entry in entries:
        if entry[2]:
            found.add(entry)
    for group in joined:
        found.add(_entry(group, pattern, bands))
    notes = []
    others = joined.n_left_out + sum(n for band, n in joined.counts.items() if band not in bands)
    if others:
        notes.append(f"Members of other bands or endings that were left out: {others:,}.")
    return JoinedEntries(found, pattern.text, bands, notes)


def _entry(
    group: tuple[str, dict[str, str]] | str, pattern: NamePattern, bands: Sequence[str]
) -> list[Any]:
    if isinstance(group, str):
        member = json.loads(group.partition(_MARK)[2])
        return [member[0], member[1], f"does not fit the pattern {pattern.text!r}"]
    object_id, files = group
    members = {
        band: json.loads(text.partition(_MARK)[2].split("//")[0]) for band, text in files.items()
    }
    first = next(iter(members.values()))
    for band in bands:
        if band not in members:
            return [first[0], first[1], f"lacks the band {band}"]
        if "//" in files[band]:
            return [first[0], first[1], f"has several files for the band {band}"]
    return [first[0], object_id, "", [members[band] for band in bands]]


def _path(archive: str, path: str) -> str:
    whole = f"{stem_of_archive(archive)}/{path.replace(_MARK, '_')}"
    return "/".join(part for part in whole.split("/") if part not in ("", "."))
