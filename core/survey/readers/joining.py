"""One file a band: which files belong together, by a pattern of their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from core.errors import BadInput
from core.survey.readers.bands import from_blue_to_red, is_band
from core.survey.readers.names import SortedNames
from core.survey.readers.sniffing import FITS_ENDINGS, PACKED, image_ending

Group = tuple[str, dict[str, str]]
"""The id of an object, and its files by band."""

_MIN_PART = 0.9
"""So much of the FITS files must fit a pattern before it is guessed."""

_RARE = 0.3
"""A band with fewer files than this much of the most frequent one's is left out of a guess."""


@dataclass(frozen=True)
class NamePattern:
    """A pattern such as "{id}_{band}.fits" or "{band}/{id}.fits.gz".

    It is laid over the end of a path, as many folders deep as it has "/". Endings of compressed
    files may be missing in it; without any ending it fits images of all endings.
    """

    text: str

    def __post_init__(self) -> None:
        fields = re.findall(r"\{([^{}]*)\}", self.text)
        if sorted(fields) != ["band", "id"]:
            raise BadInput(
                "A name pattern has {id} and {band} once each, such as '{id}_{band}.fits', but"
                f" {self.text!r} has {', '.join(fields) or 'neither'}; change it."
            )

    def ending_fits(self, name: str) -> bool:
        """Whether a file ends as the pattern wants it; others are left out on purpose."""
        wanted = image_ending(self.text).lower()
        return not wanted or _bare(image_ending(name)) == _bare(wanted)

    def match(self, name: str) -> tuple[str, str, str] | None:
        """Group, id and band of a path, None where it does not fit.

        Files of one object have the same group: the folders above the pattern and the id.
        """
        found = _compiled(self.text).match(name.removesuffix(image_ending(name)))
        return (found["above"] + found["id"], found["id"], found["band"]) if found else None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    bare = pattern.removesuffix(image_ending(pattern))
    forms = {"{id}": r"(?P<id>[^/]+)", "{band}": r"(?P<band>[^/]+?)"}
    parts = re.split(r"(\{id\}|\{band\})", bare)
    body = "".join(forms.get(part) or re.escape(part) for part in parts)
    return re.compile(rf"(?P<above>(?:.*/)?){body}\Z", re.DOTALL)


class Joined:
    """Files sorted into groups; iterating gives groups, and paths that fit no pattern as text.

    Attributes
    ----------
    counts
        Files a band, of all bands found.
    n_left_out
        Files with another ending than the pattern's.
    """

    def __init__(self, names: Iterable[str], pattern: NamePattern) -> None:
        self.counts: Counter[str] = Counter()
        self.n_left_out = 0
        self._bands: frozenset[str] | None = None
        self._records = SortedNames(self._sorted_out(names, pattern))

    def choose(self, bands: Iterable[str]) -> int:
        """Take these bands alone, and count the groups and odd files that are left."""
        self._bands = frozenset(bands)
        return sum(1 for _entry in self)

    def n_whole(self, n_bands: int) -> tuple[int, int]:
        """Groups with at least so many bands, and all groups."""
        sizes = [len(entry[1]) >= n_bands for entry in self if not isinstance(entry, str)]
        return sum(sizes), len(sizes)

    def __iter__(self) -> Iterator[Group | str]:
        # No path below a folder has two "/" side by side.
        split = (record.split("//") for record in self._records)
        for (_group, object_id), records in groupby(split, key=lambda fields: fields[:2]):
            files: dict[str, str] = {}
            for _same, _id, band, path in records:
                if not band:
                    yield path
                elif self._bands is None or band in self._bands:
                    # Two files for a band are told apart from one by a path that cannot be.
                    files[band] = f"{files[band]}//{path}" if band in files else path
            if files:
                yield object_id, files

    def _sorted_out(self, names: Iterable[str], pattern: NamePattern) -> Iterator[str]:
        """One line a file, which puts those of a group side by side when sorted."""
        for name in names:
            if name.endswith("/"):
                yield f"{name.rstrip('/')}//////{name}"
            elif not pattern.ending_fits(name):
                self.n_left_out += 1
            else:
                group, object_id, band = pattern.match(name) or (name, "", "")
                if band:
                    self.counts[band] += 1
                yield f"{group}//{object_id}//{band}//{name}"


def guess_pattern(names: Iterable[str]) -> NamePattern | None:
    """The pattern that the names of FITS files show clearly; None where they show none."""
    places: dict[str, Counter[str]] = {}
    endings: Counter[str] = Counter()
    n_files = 0
    for name in names:
        ending = image_ending(name)
        if not _bare(ending).startswith(FITS_ENDINGS):
            continue
        n_files += 1
        endings[_bare(ending)] += 1
        for place, word in _words(name.removesuffix(ending)):
            if is_band(word):
                places.setdefault(place, Counter())[word] += 1
    for place, bands in sorted(places.items(), key=lambda item: -sum(item[1].values())):
        common = common_bands(bands)
        if len(common) > 1 and sum(bands.values()) >= _MIN_PART * n_files:
            ending = endings.most_common(1)[0][0] if len(endings) == 1 else ""
            return NamePattern(place + ending)
    return None


def common_bands(counts: Counter[str]) -> tuple[str, ...]:
    """The bands that most objects can have, from blue to red."""
    most = max(counts.values(), default=0)
    return from_blue_to_red(band for band, n in counts.items() if n >= _RARE * most)


def _words(bare: str) -> Iterator[tuple[str, str]]:
    """Where in a path without ending a band could stand, as a pattern, and the word there."""
    above, _slash, name = bare.rpartition("/")
    for mark in "_-.":
        if mark in name:
            yield "{id}" + mark + "{band}", name.rpartition(mark)[2]
            yield "{band}" + mark + "{id}", name.partition(mark)[0]
    if above:
        yield "{band}/{id}", above.rpartition("/")[2]


def _bare(ending: str) -> str:
    """An ending without that of the packing."""
    ending = ending.lower()
    for packing in (*PACKED, ".fz"):
        if ending != packing:
            ending = ending.removesuffix(packing)
    return ending
