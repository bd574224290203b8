"""Ids of archive members, and which of them are views of one object."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.errors import BadInput
from core.survey.readers.sniffing import stem

MOST_VIEWS = 16
_WHOLE_GROUPS = 0.9
_LAST_PART = re.compile(r"(.+)[_\-.]([^_\-.]{1,24})\Z")
_SPLITS = frozenset(("train", "training", "test", "testing", "val", "valid", "validation"))
"""Folders of these names hold different objects, whatever their members are called."""

Name = tuple[str, str]
"""Archive and path of the member in it."""


@dataclass(frozen=True)
class Named:
    """What a member's name says."""

    object_id: str
    group_id: str | None = None
    view: str | None = None


@dataclass(frozen=True)
class Naming:
    """How ids are read off names.

    Attributes
    ----------
    how
        "stem": the name of the member without its ending. "path": with its folders, and the
        archive if there are several, as names repeat. Views of one object: "ID_VIEW" (and "-",
        "."), "VIEW/ID" (a folder a view), "VIEW.tar/ID" (an archive a view), "ID/VIEW" (a folder
        an object), "ID.tar/VIEW" (an archive an object). Else a regular expression.
    several
        Whether there are several archives.
    """

    how: str
    several: bool = False

    @property
    def of_views(self) -> bool:
        return self.how not in ("stem", "path")

    def of(self, archive: str, path: str) -> Named:
        if self.how == "stem":
            return Named(stem(path))
        if self.how == "path":
            return Named(self._from_path(archive, path))
        if self.how in _VIEWS:
            found = _VIEWS[self.how]((archive, path))
            if found is None:
                return Named(stem(path))
            own = stem(path) if self.how == "ID_VIEW" else "_".join(found)
            return Named(own, *found)
        match = re.search(self.how, f"{archive}/{path}")
        if match is None or not match["group"]:
            return Named(stem(path))
        view = match.groupdict().get("view")
        if view:
            return Named(f"{match['group']}_{view}", match["group"], view)
        return Named(stem(path), match["group"])

    def _from_path(self, archive: str, path: str) -> str:
        folders = path.rpartition("/")[0].split("/") if "/" in path else []
        parts = [*([stem_of_archive(archive)] if self.several else []), *folders, stem(path)]
        return "_".join(part for part in parts if part not in ("", "."))


def chosen_naming(wished: str | None, names: Sequence[Name], several: bool) -> Naming:
    """The setting `group`, or a guess from the names of some members.

    Raises
    ------
    BadInput
        `wished` is no regular expression with a group named "group".
    """
    if wished is not None and wished != "none":
        try:
            known = re.compile(wished).groupindex
        except re.error as error:
            raise BadInput(
                f"`group` should be a regular expression, but {wished!r} is none ({error});"
                " change it."
            ) from None
        if "group" not in known:
            raise BadInput(
                "`group` should be a regular expression with a part (?P<group>...), and perhaps"
                f" (?P<view>...), but {wished!r} has none; change it."
            )
        return Naming(wished, several)
    if wished is None:
        for how, split in _VIEWS.items():
            if _are_views(how, [split(name) for name in names]):
                return Naming(how, several)
    counts = Counter(stem(path) for _, path in names)
    if sum(counts.values()) - len(counts) > 0.01 * len(names):
        return Naming("path", several)
    return Naming("stem", several)


def stem_of_archive(name: str) -> str:
    """ "a/cam1.tar.gz" -> "cam1"."""
    return re.sub(r"\.(tar|tgz|tbz2?|txz|zip)?(\.?(gz|bz2|xz))?\Z", "", name.rpartition("/")[2])


def _are_views(how: str, found: Sequence[tuple[str, str] | None]) -> bool:
    """Whether nearly all ids come with all views, and there are few of these."""
    known = [one for one in found if one is not None]
    if len(known) < max(4, _WHOLE_GROUPS * len(found)):
        return False
    views_of: defaultdict[str, set[str]] = defaultdict(set)
    for group, view in known:
        views_of[group].add(view)
    views = {view for several in views_of.values() for view in several}
    if sum(map(len, views_of.values())) < len(known):
        return False  # a view twice
    # Cameras and objects can be told apart only where there are fewer cameras.
    if not 2 <= len(views) <= min(MOST_VIEWS, len(views_of)):
        return False
    if how != "ID_VIEW" and {view.lower() for view in views} & _SPLITS:
        return False
    whole = sum(len(several) == len(views) for several in views_of.values())
    # The sample may end within a group.
    return whole >= _WHOLE_GROUPS * (len(views_of) - 1) and whole >= 1


def _last_part(name: Name) -> tuple[str, str] | None:
    match = _LAST_PART.match(stem(name[1]))
    return (match[1], match[2]) if match else None


def _folder_view(name: Name) -> tuple[str, str] | None:
    folder = name[1].rpartition("/")[0].rpartition("/")[2]
    return (stem(name[1]), folder) if folder else None


def _folder_object(name: Name) -> tuple[str, str] | None:
    found = _folder_view(name)
    return found[::-1] if found else None


def _archive_view(name: Name) -> tuple[str, str]:
    return stem(name[1]), stem_of_archive(name[0])


def _archive_object(name: Name) -> tuple[str, str]:
    return _archive_view(name)[::-1]


_VIEWS: dict[str, Callable[[Name], tuple[str, str] | None]] = {
    "ID_VIEW": _last_part,
    "VIEW/ID": _folder_view,
    "VIEW.tar/ID": _archive_view,
    "ID/VIEW": _folder_object,
    "ID.tar/VIEW": _archive_object,
}
