"""One pass over an archive: its members, what is no image, and some images to judge by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.survey.readers.encoded import Sample
from core.survey.readers.forward_stream import ForwardStream, packing
from core.survey.readers.packed_entries import PackedEntries
from core.survey.readers.sniffing import image_ending, kind_of
from core.survey.readers.source_file import beginning
from core.survey.readers.tar_index import HEAD_BYTES, opened_tar, tar_members
from core.survey.readers.unreadable import Unreadable
from core.survey.readers.zip_index import MOST_MEMBER_BYTES, member_bytes, zip_members

MOST_SAMPLE = 48
_MOST_SAMPLE_OF_ONE = 12
_MOST_SAMPLE_BYTES = 64 * 1024**2
_MOST_NAMES = 40_000
_MOST_NAMES_OF_ONE = 4_000

Entry = list[Any]
"""[archive, path, problem, place, size ...]: an image member, or what cannot be one; JSON."""


@dataclass
class Scan:
    """What the archives hold.

    Attributes
    ----------
    entries
        Image members, members that are no plain files, and damage, one entry each.
    others
        Members that are no images, counted by their endings.
    names
        (archive, path) of some image members.
    """

    entries: PackedEntries = field(default_factory=PackedEntries)
    others: Counter[str] = field(default_factory=Counter)
    names: list[tuple[str, str]] = field(default_factory=list)
    sample: Sample = field(default_factory=Sample)
    n_images: int = 0

    def scan(self, number: int, name: str, path: Path, kind: str) -> None:
        """Take in the archive `number`, of that name and kind ("zip", "tar", "tar.gz" ...)."""
        n_before, tried_before = self.n_images, self.sample.n_tried
        last = ""

        def wants(content_size: int) -> bool:
            of_one = self.sample.n_tried - tried_before
            return (
                self.sample.n_tried < MOST_SAMPLE
                and of_one < _MOST_SAMPLE_OF_ONE
                and content_size <= _MOST_SAMPLE_BYTES
            )

        members = _zip(path, wants) if kind == "zip" else _tar(path, kind[4:], wants)
        try:
            for member_path, problem, where, head, whole in members:
                last = member_path
                is_image = bool(image_ending(member_path) or (head and kind_of(head)))
                if _is_resource_fork(member_path) or not (is_image or problem):
                    self.others[_ending(member_path)] += 1
                    continue
                problem = problem or unsafe(member_path)
                if not problem and where[1] > MOST_MEMBER_BYTES:
                    # A plain tar file holds its members as they are.
                    how = "is larger than" if kind == "tar" else "unpacks to more than"
                    problem = f"{how} {MOST_MEMBER_BYTES // 1024**2} MB"
                self.entries.add([number, member_path, problem, *where])
                if problem:
                    continue
                self.n_images += 1
                few = self.n_images - n_before <= _MOST_NAMES_OF_ONE
                if few and len(self.names) < _MOST_NAMES:
                    self.names.append((name, member_path))
                if whole and wants(len(head)):
                    self.sample.add(member_path, head)
        except Unreadable as error:
            behind = f" after the member {last}" if last else ""
            self.entries.add([number, "", f"{error}{behind}; what follows is not read"])


Found = tuple[str, str, list[int], bytes, bool]
"""Path, problem, place and size ..., first bytes, whether these are all."""


def _tar(path: Path, packed: str, wants: Callable[[int], bool]) -> Iterator[Found]:
    file = opened_tar(path, packed)
    try:
        for member in tar_members(
            file, lambda name, size: wants(size) and bool(image_ending(name))
        ):
            whole = len(member.head) == member.size
            where = [member.place, member.size]
            yield member.name, member.problem, where, member.head, whole
    finally:
        file.close()


def _zip(path: Path, wants: Callable[[int], bool]) -> Iterator[Found]:
    try:
        # Two handles: the directory is read by the one, members by the other.
        with open(path, "rb") as directory, open(path, "rb") as file:
            for member in zip_members(directory):
                if member.name.endswith("/"):
                    continue
                head, whole, problem = b"", False, ""
                if member.encrypted:
                    problem = "is encrypted"
                elif member.link:
                    problem = "is a link"
                else:
                    whole = bool(image_ending(member.name)) and wants(member.size)
                    if whole or not image_ending(member.name):
                        try:
                            head = member_bytes(file, member, None if whole else HEAD_BYTES)
                        except Unreadable:  # told when it is read
                            head, whole = b"", False
                where = [member.header, member.size, member.packed, member.method, member.crc]
                yield member.name, problem, where, head, whole
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror or error})") from None


def kind_of_archive(path: Path) -> str:
    """ "tar", "tar.gz", "tar.bz2", "tar.xz" or "zip" by the first bytes, else ""."""
    head = beginning(path, 4096)
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        # A NumPy file is a zip file too, and so are office files and Java's.
        first = head[30:].split(b"PK", 1)[0]
        none = b".npy" in first or b"[Content_Types]" in first or first.startswith(b"META-INF")
        return "" if none else "zip"
    packed = packing(head)
    if not packed:
        return "tar" if is_tar(head[:512]) else ""
    try:
        stream = ForwardStream(path, packed)
        try:
            return f"tar.{packed}" if is_tar(stream.read_at(0, 512)) else ""
        finally:
            stream.close()
    except Unreadable:
        return ""


def is_tar(block: bytes) -> bool:
    """Whether 512 bytes are the header of a tar member: its checksum tells old ones too."""
    import tarfile

    if len(block) < 512 or not block.strip(b"\0"):
        return False
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except Exception:  # a damaged header is still one of tar's if it says so
        return block[257:262] == b"ustar"
    return True


def unsafe(path: str) -> str:
    """Why a path is none that an archive should have; empty for others."""
    parts = path.replace("\\", "/").split("/")
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", path) or ".." in parts:
        return "has a path that leads out of the archive"
    return ""


def _is_resource_fork(path: str) -> bool:
    """What macOS adds to archives beside each file."""
    return path.startswith("__MACOSX/") or path.rpartition("/")[2].startswith("._")


def _ending(path: str) -> str:
    name = path.rpartition("/")[2]
    ending = f".{name.rpartition('.')[2].lower()}" if "." in name[1:] else ""
    return ending[:16] or "without ending"
