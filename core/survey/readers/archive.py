"""Reads tar and zip archives of pictures and FITS images; nothing is unpacked to disk."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from core.errors import BadInput
from core.survey.batch import Batch, BatchBuilder
from core.survey.options import ImportOptions
from core.survey.readers.archive_scan import Scan, kind_of_archive
from core.survey.readers.archive_views import chosen_naming
from core.survey.readers.encoded import Encoded
from core.survey.readers.kept import going_on
from core.survey.readers.registry import Reader, Unit, register_reader
from core.survey.readers.source_file import (
    Stamp,
    brief,
    check_same,
    checked_file,
    files_below,
    stamp_of,
)
from core.survey.readers.tar_index import Bytes, opened_tar
from core.survey.readers.unreadable import Unreadable
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


@register_reader("archive", "a tar or zip archive of pictures or FITS images, or a folder of them")
class ArchiveReader(Reader):
    """Each image in a tar file (plain, gzip, bzip2, xz) or zip file is an object.

    The object_id is the member's name without its ending. Columns: file_name (path in the
    archive, behind the archive's name where there are several), width_px, height_px, resampled,
    and of FITS images the `wcs_*` columns with ra and dec of the centre. Members that are views
    of one object, a camera each, get its id as group_id and a column `view`; see
    `archive_views`.

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
    }

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        own = options.own(self.own_options)
        self._archives: list[tuple[str, str, Stamp]] = []
        self._is_folder = source.is_dir()
        scan = Scan()
        if self._is_folder:
            self._look_into_folder(scan)
        else:
            stamp = checked_file(source, "a tar or zip archive")
            kind = kind_of_archive(source)
            if not kind:
                raise BadInput(
                    f"{source} should be a tar or zip archive, but is none, whatever its name"
                    " says; check the file."
                )
            self._take(scan, source.name, kind, stamp)
        self._entries = scan.entries
        self.n_entries = len(scan.entries)
        what = f"{'folder' if self._is_folder else 'archive'} {source.name}"
        if not scan.n_images:
            raise BadInput(self._no_image(scan))
        self._encoded = Encoded.make(scan.sample, options, str(source))
        self.layout = self._encoded.layout(options, what)
        self._naming = chosen_naming(own.get("group"), scan.names, len(self._archives) > 1)
        self.settings = {
            **self._encoded.settings(),
            "archives": len(self._archives),
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
        for number, several in itertools.groupby(unit.what, key=lambda entry: entry[0]):
            entries = list(several)
            if number < 0:
                for _, path, problem in entries:
                    gathered.reject(path, problem)
                continue
            part = BatchBuilder()
            name, _, stamp = self._archives[number]
            try:
                self._read_archive(number, entries, part)
                check_same(self._path(name), stamp)
            except Unreadable as error:
                part = BatchBuilder()
                for entry in entries:
                    part.reject(name, str(error), entry[1])
            yield part.take()
        if len(gathered):
            yield gathered.take()

    def __getstate__(self) -> dict[str, Any]:
        # The workers are told of their entries by the units.
        return self.__dict__ | {"_entries": None}

    def _read_archive(self, number: int, entries: list[list[Any]], part: BatchBuilder) -> None:
        name, kind, stamp = self._archives[number]
        path = self._path(name)
        check_same(path, stamp)
        with contextlib.ExitStack() as stack:
            archive: _Zip | _Tar | None = None
            for entry in entries:
                member, problem = entry[1], entry[2]
                if problem:
                    part.reject(name, problem, member)
                    continue
                try:
                    if archive is None:
                        archive = self._opened(stack, path, kind, stamp)
                    content = archive.content(entry)
                    image, columns, told = self._encoded.object_of(content)
                except Unreadable as error:
                    part.reject(name, str(error), member)
                    continue
                except OSError as error:
                    part.reject(name, f"cannot be read ({brief(error)})", member)
                    continue
                for words in told:
                    part.tally(words)
                file_name = f"{name}/{member}" if self._is_folder else member
                named = self._naming.of(name, member)
                if named.view is not None:
                    columns["view"] = named.view
                part.add(
                    named.object_id,
                    {"file_name": file_name, **columns},
                    image=image,
                    group_id=named.group_id,
                    source=f"{name}/{member}",
                )

    def _opened(
        self, stack: contextlib.ExitStack, path: Path, kind: str, stamp: Stamp
    ) -> _Zip | _Tar:
        if kind == "zip":
            opened = _Zip(path)
            stack.callback(opened.close)
            return opened
        if kind == "tar":
            plain = _Tar(opened_tar(path, ""))
            stack.callback(plain.close)
            return plain
        key = ("archive", str(path), stamp)
        return stack.enter_context(going_on(key, lambda: _Tar(opened_tar(path, kind[4:]))))

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
        self._archives.append((name, kind, stamp))
        scan.scan(len(self._archives) - 1, name, self._path(name), kind)

    def _path(self, name: str) -> Path:
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
        if self._naming.of_views:
            self.notes.append(
                f"Members are taken for views of one object, by their names ({self._naming.how});"
                " say group=none if they are not."
            )
        elif self._naming.how == "path":
            self.notes.append("Names of members repeat, so that ids hold their folders too.")


def _files(folder: Path) -> Iterator[Path]:
    """Some files of a folder, without sorting millions of names."""
    with os.scandir(folder) as entries:
        for entry in itertools.islice(entries, 10 * _RECOGNISED_FROM):
            if entry.is_file():
                yield Path(entry.path)
