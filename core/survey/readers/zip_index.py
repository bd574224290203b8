"""The members of a zip file, and their bytes: by place, without a list of all in memory.

Python's zipfile keeps about a kilobyte a member and reads the whole directory whenever the file
is opened; a survey's zip has millions of members and is opened for every unit of work.
"""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from core.survey.readers.forward_stream import BOMB_BYTES, CUT, MOST_RATIO, CutShort
from core.survey.readers.source_file import brief
from core.survey.readers.tar_index import printable
from core.survey.readers.unreadable import Unreadable

MOST_MEMBER_BYTES = 512 * 1024**2

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 0x1, 0x8, 0x800
_WHOLE_32 = 0xFFFFFFFF
_LONGEST_COMMENT = 65_535


@dataclass(frozen=True)
class ZipMember:
    """A file in a zip file.

    Attributes
    ----------
    header
        Place of its local header.
    packed, size
        Bytes in the file, and unpacked as the header says.
    method
        0 stored, 8 deflate, 12 bzip2; others are not read here.
    """

    name: str
    header: int
    packed: int
    size: int
    method: int
    crc: int
    encrypted: bool = False
    link: bool = False


def zip_members(file: BinaryIO) -> Iterator[ZipMember]:
    """All members in the order of the directory.

    Raises
    ------
    CutShort
        After the members that are whole: the file has no directory at its end.
    Unreadable
        The directory is damaged, or the members together are a bomb.
    """
    size = file.seek(0, 2)
    end = _directory(file, size)
    if end is None:
        yield from _by_local_headers(file, size)
        return
    start, stop, shift, n_members = end
    total = 0
    file.seek(start)
    for _ in range(n_members):
        head = file.read(_CENTRAL.size)
        if len(head) < _CENTRAL.size or not head.startswith(b"PK\1\2") or file.tell() > stop:
            raise Unreadable("has a damaged directory")
        (_, _made, _needs, flags, method, _time, _date, crc, packed, unpacked) = _CENTRAL.unpack(
            head
        )[:10]
        n_name, n_extra, n_comment, _disk, _attributes, outer, header = _CENTRAL.unpack(head)[10:]
        name = file.read(n_name)
        extra = file.read(n_extra)
        file.read(n_comment)
        unpacked, packed, header = _wide(extra, [unpacked, packed, header])
        total += unpacked
        if total > max(BOMB_BYTES, MOST_RATIO * size):
            raise Unreadable(f"unpacks to more than {MOST_RATIO:,} times its size")
        # Unix keeps the kind of a file in the upper half; 0xA000 is a symbolic link.
        link = (_made >> 8) == 3 and (outer >> 16) & 0xF000 == 0xA000
        yield ZipMember(
            _name(name, flags), header + shift, packed, unpacked, method, crc,
            bool(flags & _ENCRYPTED), link,
        )  # fmt: skip


def data_place(file: BinaryIO, member: ZipMember) -> int:
    """Where the packed bytes of a member begin; raises `Unreadable`."""
    file.seek(member.header)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size:
        raise CutShort(CUT)
    magic, *_, n_name, n_extra = _LOCAL.unpack(head)
    if magic != b"PK\3\4":
        raise Unreadable("is not where the directory of the zip file says")
    return member.header + _LOCAL.size + int(n_name) + int(n_extra)


def member_bytes(file: BinaryIO, member: ZipMember, most: int | None = None) -> bytes:
    """What a member unpacks to, or its first `most` bytes; raises `Unreadable`."""
    if member.encrypted:
        raise Unreadable("is encrypted")
    if most is None and max(member.size, member.packed) > MOST_MEMBER_BYTES:
        raise Unreadable(f"unpacks to more than {MOST_MEMBER_BYTES // 1024**2} MB")
    if member.method not in (0, 8, 12):
        raise Unreadable(f"is packed by a method that is not read here (number {member.method})")
    file.seek(data_place(file, member))
    if most is not None:
        return _unpacked(file.read(min(member.packed, most + 1024)), member, most)
    data = file.read(member.packed)
    if len(data) < member.packed:
        raise CutShort(CUT)
    content = _unpacked(data, member, member.size + 1)
    if len(content) > member.size:
        raise Unreadable("unpacks to more than its header says")
    if len(content) < member.size:
        raise CutShort(CUT)
    if zlib.crc32(content) != member.crc:
        raise Unreadable("is damaged (its checksum is another)")
    return content


def _unpacked(data: bytes, member: ZipMember, most: int) -> bytes:
    if member.method == 0:
        return data[:most]
    try:
        if member.method == 8:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)
        return bz2.BZ2Decompressor().decompress(data, most)
    except (zlib.error, OSError, ValueError) as error:
        raise Unreadable(f"is damaged ({brief(error)})") from None


def _directory(file: BinaryIO, size: int) -> tuple[int, int, int, int] | None:
    """Start and end of the directory, bytes before the zip file, and how many members it names;
    None where there is no directory."""
    tail_start = max(0, size - _LONGEST_COMMENT - _END.size)
    file.seek(tail_start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        return None
    _, _disk, _first, _here, n_members, length, offset, _ = _END.unpack_from(tail, at)
    stop = tail_start + at
    if at >= _LOCATOR_64.size and tail[at - _LOCATOR_64.size :].startswith(b"PK\6\7"):
        place = stop - _LOCATOR_64.size - _END_64.size
        file.seek(max(0, place))
        record = file.read(_END_64.size)
        if len(record) == _END_64.size and record.startswith(b"PK\6\6"):
            n_members, length, offset = _END_64.unpack(record)[7:]
            stop = place
    start = stop - length
    if start < offset or start < 0 or n_members * _CENTRAL.size > length:
        raise Unreadable("has a damaged directory")
    return start, stop, start - offset, n_members


def _by_local_headers(file: BinaryIO, size: int) -> Iterator[ZipMember]:
    """Members in the order of the file, as long as each is whole."""
    place = 0
    while True:
        file.seek(place)
        head = file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or not head.startswith(b"PK\3\4"):
            raise CutShort(CUT)
        _, _, flags, method, _, _, crc, packed, unpacked, n_name, n_extra = _LOCAL.unpack(head)
        name, extra = file.read(n_name), file.read(n_extra)
        unpacked, packed, _ = _wide(extra, [unpacked, packed, 0])
        data = place + _LOCAL.size + n_name + n_extra
        if flags & _SIZES_FOLLOW:
            found = _to_its_end(file, data, method)
            if found is None:
                raise CutShort(CUT)
            packed, unpacked, crc = found
        if data + packed > size:
            raise CutShort(CUT)
        encrypted = bool(flags & _ENCRYPTED)
        yield ZipMember(_name(name, flags), place, packed, unpacked, method, crc, encrypted)
        place = data + packed
        if flags & _SIZES_FOLLOW:
            file.seek(place)
            rest = file.read(24)
            place += (16 if rest.startswith(b"PK\7\x08") else 12) if len(rest) >= 12 else 0
            if rest[16:20] not in (b"PK\3\4", b"PK\1\2", b"") and rest[20:24] == b"PK\3\4":
                place += 4


def _to_its_end(file: BinaryIO, data: int, method: int) -> tuple[int, int, int] | None:
    """Packed and unpacked size and checksum of a deflated member whose header does not say."""
    if method != 8:
        return None
    file.seek(data)
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    packed = unpacked = crc = 0
    piece = b""
    while not decoder.eof:
        piece = decoder.unconsumed_tail or file.read(65_536)
        if not piece:
            return None
        if not decoder.unconsumed_tail:
            packed += len(piece)
        try:
            content = decoder.decompress(piece, 1024**2)
        except zlib.error:
            return None
        unpacked += len(content)
        crc = zlib.crc32(content, crc)
        if unpacked > MOST_MEMBER_BYTES:
            return None
    return packed - len(decoder.unused_data), unpacked, crc


def _wide(extra: bytes, sizes: list[int]) -> list[int]:
    """Sizes that did not fit 32 bits, from the extra field that holds them."""
    if _WHOLE_32 not in sizes:
        return sizes
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == 1:
            wide = extra[place + 4 : place + 4 + length]
            found, at = [], 0
            for size in sizes:
                if size == _WHOLE_32 and at + 8 <= len(wide):
                    size = struct.unpack_from("<Q", wide, at)[0]
                    at += 8
                found.append(size)
            return found
        place += 4 + length
    return sizes


def _name(raw: bytes, flags: int) -> str:
    if flags & _UTF8:
        return printable(raw.decode("utf-8", "surrogateescape"))
    return raw.decode("cp437")
