"""The text of a label file, decoded piece by piece; what cannot be read is said with its line."""

from __future__ import annotations

import codecs
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from core.exchange.incoming import Place

CHUNK = 1 << 20
LONGEST_LINE = 1 << 26
"""Characters that one line, or one JSON element, may have: more is no label file."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def piece(stream: BinaryIO, place: Place, line: int | None = None) -> bytes:
    """The next bytes of a file that may be packed; raises `BadInput` where it is damaged."""
    try:
        return stream.read(CHUNK)
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error):
        raise place.bad(
            line, "the compressed file is cut short or damaged; fetch it again."
        ) from None


def text_chunks(stream: BinaryIO, place: Place) -> Iterator[str]:
    """The text of `stream` in pieces: UTF-8, or UTF-16 with a byte order mark.

    Raises `BadInput` with the line of the first byte that cannot be decoded, of a NUL, or of the
    end of a gzip file that was cut short.
    """
    line, decoder = 1, None
    while True:
        data = piece(stream, place, line)
        if decoder is None:
            codec = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
            decoder = codecs.getincrementaldecoder(codec)()
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise _undecodable(place, line, error) from None
        if "\x00" in text:
            at = line + text.count("\n", 0, text.index("\x00"))
            raise place.bad(
                at, "there is a NUL character, which no label file holds; save it as UTF-8 text."
            )
        line += text.count("\n")
        if text:
            yield text
        if not data:
            return


def _undecodable(place: Place, line: int, error: UnicodeDecodeError) -> Exception:
    at = line + error.object[: error.start].count(b"\n")
    byte = error.object[error.start]
    if error.encoding.startswith("utf-16"):
        return place.bad(at, "the text is not whole UTF-16; save it as UTF-8.")
    # In UTF-8 a letter with an accent never stands alone among ASCII; in Latin-1 it does.
    hint = "it looks like Latin-1 or Windows-1252; save it as UTF-8" if byte >= 0xA0 else ""
    return place.bad(
        at, f"the byte 0x{byte:02x} is not UTF-8; {hint or 'save the file as UTF-8'}."
    )


def text_lines(stream: BinaryIO, place: Place) -> Iterator[str]:
    """The lines of `stream`, each with its line feed, which alone ends a line."""
    held, number = [""], 1
    for chunk in text_chunks(stream, place):
        first, *others = chunk.split("\n")
        held.append(first)
        for other in others:
            yield "".join(held) + "\n"
            number += 1
            held = [other]
        if sum(map(len, held)) > LONGEST_LINE:
            raise place.bad(
                number,
                f"the line has more than {LONGEST_LINE} characters; a label file has one row a"
                " line.",
            )
    if last := "".join(held):
        yield last
