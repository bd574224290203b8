"""Reads tar and zip archives of pictures and FITS images; nothing is unpacked to disk."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from core.errors import BadInput
from core.survey.batch import Batch, BatchBuilder
from core.survey.options import ImportOptions
from core.survey.readers.archive_bands import JoinedEntries, join_members
from core.survey.readers.archive_scan import Scan, kind_of_archive
from core.survey.readers.archive_views import chosen_naming
from core.survey.readers.encoded import Encoded
from core.survey.readers.kept import going_on
from core.survey.readers.picture import GREY_KEPT
from core.survey.readers.registry import Reader, Unit, register_reader
from core.survey.readers.source_file import (
    Stamp,
    brief,
    check_same,
    checked_file,
    files_below,
    stamp_of,
)
from core.survey.readers.tar_index import Bytes, opened_tar, printable
from core.survey.readers.unreadable import Unreadable
from core.survey.readers.whole_file import holds_zeros
from core.survey.readers.zip_index import ZipMember, member_bytes

ENDINGS = (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz", ".zip")
_RECOGNISED_FROM = 40


class _Zip:
    """An open zip file, its members by their places."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`

    def close(self) -> None:
        self._file.close()

    def content(self, entry: list[Any]) -> bytes:
        _, name, _, header, size, packed, method, crc = entry
        return member_bytes(self._file, ZipMember(name, header, packed, size, method, crc))


class _Tar:
    """An open tar file, its members by their places."""

    def __init__(self, file: Bytes) -> None:
        self._file = file

    def close(self) -> None:
        self._file.close()

    def content(self, entry: list[Any]) -> bytes:
        _, _, _, place, size = entry
        content = self._file.read_at(place, size)
        if len(content) < size:
            raise Unreadable("is cut short")
        return content


class _Changed(Unreadable):
    """An archive is not what it was; nothing of it can be trusted."""


class _Archives:
    """The archives that a unit needs, opened when they are."""

    def __init__(self, reader: ArchiveReader, stack: contextlib.ExitStack) -> None:
        self._reader, self._stack = reader, stack
        self._opened: dict[int, _Zip | _Tar] = {}

    def content(self, entry: list[Any]) -> bytes:
        """The bytes of a member; raises `Unreadable`."""
        try:
            if entry[0] not in self._opened:
                self._opened[entry[0]] = self._open(entry[0])
            return self._opened[entry[0]].content(entry)
        except OSError as error:
            raise Unreadable(f"cannot be read ({brief(error)})") from None

    def check(self) -> None:
        """Raises `Unreadable` if one of them is not what it was."""
        for number in self._opened:
            self._check(number)

    def _check(self, number: int) -> Path:
        name, _, stamp = self._reader.archives[number]
        path = self._reader.path_of(name)
        try:
            check_same(path, stamp)
        except Unreadable as error:
            raise _Changed(str(error)) from None
        return path

    def _open(self, number: int) -> _Zip | _Tar:
        path = self._check(number)
        _, kind, stamp = self._reader.archives[number]
        if kind in ("zip", "tar"):
            opened = _Zip(path) if kind == "zip" else _Tar(opened_tar(path, ""))
            self._stack.callback(opened.close)
            return opened
        key = ("archive", str(path), stamp)
        return self._stack.enter_context(
            going_on(key, lambda: _Tar(opened_tar(path, kind.removeprefix("tar."))))
        )


@register_reader("archive", "a tar or zip archive of pictures or FITS images, or a folder of them")
class ArchiveReader(Reader):
    """Each image in a tar file (plain, gzip, bzip2, xz) or zip file is an object.

    The object_id is the member's name without its ending. Columns: file_name (path in the
    archive, behind the archive's name where there are several), width_px, height_px, resampled,
    and of FITS images the `wcs_*` columns with ra and dec of the centre. Members that are views
    of one object, a camera each, get its id as group_id and a column `view`; see
    `archive_views`. FITS members that are a band each are joined by their names to one object,
    with the {id} of the pattern as object_id, except in packed tar files.

    The archive is read once to list its members, packed ones to their end. Links, devices,
    encrypted members and paths that lead out of the archive are rejects; other files are counted
    in `notes`. An archive that is cut short gives its whole members and one reject for the rest.

    Members of plain tar and zip files are reached by place. A packed tar file has no such way
    in: each worker reads it forwards once; see `kept`.
    """

    own_options: ClassVar[Mapping[str, str]] = {
        "group": (
            "which members are views of one object: a regular expression over ARCHIVE/PATH with"
            " (?P<group>...) and perhaps (?P<view>...), or none; guessed when left out"
        ),
        "pattern": (
            "how members that are one band each are named, such as {id}_{band}.fits, or none;"
            " guessed when left out"
        ),
    }

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        own = options.own(self.own_options)
        self.archives: list[tuple[str, str, Stamp]] = []
        self._is_folder = source.is_dir()
        scan = Scan()
        if self._is_folder:
            self._look_into_folder(scan)
        else:
            stamp = checked_file(source, "a tar or zip archive")
            kind = kind_of_archive(source)
            if not kind:
                came = (
                    "holds nothing but zeros, as a tar file without members does"
                    if holds_zeros(source)
                    else "is none, whatever its name says"
                )
                raise BadInput(
                    f"{source} should be a tar or zip archive, but {came}; check the file."
                )
            self._take(scan, source.name, kind, stamp)
        what = f"{'folder' if self._is_folder else 'archive'} {source.name}"
        if not scan.n_images:
            raise BadInput(self._no_image(scan))
        joined = self._joined(own.get("pattern", ""), scan)
        if joined is None:
            self._encoded = Encoded.make(scan.sample, options, str(source))
        else:
            plain = Encoded.make(scan.sample, replace(options, bands=()), str(source))
            self._encoded = plain.of_bands(joined.bands)
        self._entries = scan.entries if joined is None else joined.entries
        self.n_entries = len(self._entries)
        self.layout = self._encoded.layout(options, what)
        self._naming = chosen_naming(own.get("group"), scan.names, len(self.archives) > 1)
        self.settings |= {
            **self._encoded.settings(),
            "archives": len(self.archives),
            "object_id": self._naming.how,
            "group": self._naming.how if self._naming.of_views else "none",
        }
        self._tell(scan)

    @classmethod
    def recognises(cls, source: Path) -> int:
        try:
            if not source.is_dir():
                return 65 if kind_of_archive(source) else 0
            looked_at = list(itertools.islice(_files(source), _RECOGNISED_FROM))
        except (OSError, ValueError):
            return 0
        n_named = sum(path.name.lower().endswith(ENDINGS) for path in looked_at)
        n_archives = sum(bool(kind_of_archive(path)) for path in looked_at)
        return 65 if n_archives and 2 * max(n_named, n_archives) > len(looked_at) else 0

    def units(self) -> Iterator[Unit]:
        for number, part in enumerate(self._entries.units(self.layout.unit_entries)):
            yield Unit(number, len(part), part)

    def read(self, unit: Unit) -> Iterator[Batch]:
        gathered = BatchBuilder()
        try:
            with contextlib.ExitStack() as stack:
                archives = _Archives(self, stack)
                for entry in unit.what:
                    self._read_entry(entry, archives, gathered)
                archives.check()
        except Unreadable as error:
            gathered = BatchBuilder()
            for entry in unit.what:
                name, member = self._where(entry)
                gathered.reject(name, str(error), member)
        yield gathered.take()

    def __getstate__(self) -> dict[str, Any]:
        # The workers are told of their entries by the units.
        return self.__dict__ | {"_entries": None}

    def _read_entry(self, entry: list[Any], archives: _Archives, gathered: BatchBuilder) -> None:
        name, member = self._where(entry)
        if entry[2]:
            gathered.reject(name, entry[2], member)
            return
        members = entry[3] if isinstance(entry[3], list) else [entry]
        contents = []
        for one in members:
            try:
                contents.append(archives.content(one))
            except _Changed:
                raise
            except Unreadable as error:
                gathered.reject(printable(self.archives[one[0]][0]), str(error), one[1])
                return
        try:
            if members[0] is entry:
                image, columns, told = self._encoded.object_of(contents[0])
            else:
                image, columns, told = self._encoded.object_of_bands(contents)
        except Unreadable as error:
            gathered.reject(name, str(error), member)
            return
        for words in told:
            gathered.tally(words)
        named = self._naming.of(name, member)
        if named.view is not None:
            columns["view"] = named.view
        gathered.add(
            named.object_id if members[0] is entry else entry[1],
            {"file_name": f"{name}/{member}" if self._is_folder else member, **columns},
            image=image,
            group_id=named.group_id,
            source=name,
            member=member,
        )

    def _where(self, entry: list[Any]) -> tuple[str, str]:
        """Archive and member of an entry, the first of several."""
        if entry[0] < 0:
            return printable(entry[1]), ""
        if not entry[2] and isinstance(entry[3], list):
            entry = entry[3][0]
        return printable(self.archives[entry[0]][0]), entry[1]

    def _joined(self, pattern: str, scan: Scan) -> JoinedEntries | None:
        """Members that are a band each; None where they are objects of their own."""
        names = [name for name, _, _ in self.archives]
        joined = join_members(scan.entries, scan.names, names, pattern, self.options.bands)
        if joined is None:
            return None
        if any(kind not in ("tar", "zip") for _, kind, _ in self.archives):
            told = (
                f"The members seem to be one band each ({joined.pattern}), which are not joined"
                " in a packed tar file; unpack it with gunzip, bunzip2 or unxz."
            )
            if pattern:
                raise BadInput(told)
            self.notes.append(told)
            return None
        self.notes += joined.notes
        self.settings |= {"pattern": joined.pattern, "pattern_guessed": not pattern}
        return joined

    def _look_into_folder(self, scan: Scan) -> None:
        closed: list[str] = []
        n_others = 0
        for path in files_below(self.source, closed):
            name = path.relative_to(self.source).as_posix()
            kind = kind_of_archive(path)
            if kind:
                try:
                    self._take(scan, name, kind, stamp_of(path))
                except Unreadable as error:
                    scan.entries.add([-1, name, str(error)])
            elif name.lower().endswith(ENDINGS):
                scan.entries.add([-1, name, "is no tar or zip archive, whatever its name says"])
            else:
                n_others += 1
        for name in sorted(closed):
            scan.entries.add([-1, name, "may not be listed by this user"])
        if n_others:
            self.notes.append(f"Files beside the archives that were left out: {n_others:,}.")

    def _take(self, scan: Scan, name: str, kind: str, stamp: Stamp) -> None:
        self.archives.append((name, kind, stamp))
        scan.scan(len(self.archives) - 1, name, self.path_of(name), kind)

    def path_of(self, name: str) -> Path:
        return self.source / name if self._is_folder else self.source

    def _no_image(self, scan: Scan) -> str:
        others = f"{sum(scan.others.values()):,} other files" if scan.others else "no other file"
        problem = next((f" ({entry[1] or 'it'} {entry[2]})" for entry in scan.entries), "")
        return (
            f"{self.source} should hold JPEG, PNG, TIFF or FITS images in archives, but holds none"
            f" that can be read and {others}{problem}; check the data."
        )

    def _tell(self, scan: Scan) -> None:
        if scan.others:
            told = ", ".join(f"{ending} {n:,}" for ending, n in scan.others.most_common(6))
            n_others = sum(scan.others.values())
            self.notes.append(
                f"Members that are no images and were left out: {n_others:,} ({told})."
            )
        if self._encoded.grey and len(self._encoded.choice.bands) > 1:
            self.notes.append(GREY_KEPT)
        if self._naming.of_views:
            self.notes.append(
                f"Members are taken for views of one object, by their names ({self._naming.how});"
                " if they are not: --set group=none, or group=none among the reader's settings."
            )
        elif self._naming.how == "path":
            self.notes.append("Names of members repeat, so that ids hold their folders too.")


def _files(folder: Path) -> Iterator[Path]:
    """Some files of a folder, without sorting millions of names."""
    with os.scandir(folder) as entries:
        for entry in itertools.islice(entries, 10 * _RECOGNISED_FROM):
            if entry.is_file():
                yield Path(entry.path)
