"""The headers of a FITS file, read without touching its data, whatever they say."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.survey.tables.lines import compression, open_plain

_BLOCK = 2880
_MAX_HEADER = 8 * 1024 * 1024
_SKIP = 8192  # a damaged compressed file loses the piece in which it breaks off
MAX_HDUS = 100


@dataclass(frozen=True)
class FitsHdu:
    """One header, and where its data begin in the unpacked file."""

    number: int
    header: Any
    offset: int

    @property
    def name(self) -> str:
        return str(self.header.get("EXTNAME", "")).strip()

    @property
    def kind(self) -> str:
        return str(self.header.get("XTENSION", "PRIMARY")).strip().lower()


def is_table(header: Any) -> bool:
    """A binary table that is no compressed image or table."""
    return (
        str(header.get("XTENSION", "")).strip() in ("BINTABLE", "A3DTABLE")
        and not header.get("ZIMAGE", False)
        and not header.get("ZTABLE", False)
    )


def has_image(header: Any) -> bool:
    """An image with pixels, compressed or not."""
    if header.get("ZIMAGE", False):
        return True
    if str(header.get("XTENSION", "IMAGE")).strip() != "IMAGE":
        return False
    n_axes = header.get("NAXIS", 0)
    return isinstance(n_axes, int) and n_axes >= 2 and data_bytes(header) > 0


def read_hdus(path: Path, most: int = MAX_HDUS) -> list[FitsHdu]:
    """The headers up to the first damaged one; `BadInput` if there is none at all."""
    found: list[FitsHdu] = []
    try:
        with open_plain(path) as file:
            offset = 0
            while len(found) < most:
                file.seek(offset)
                header, size = _read_header(file)
                if header is None:
                    break
                found.append(FitsHdu(len(found), header, offset + size))
                data = data_bytes(header)
                offset += size + (data + _BLOCK - 1) // _BLOCK * _BLOCK
    except Exception:  # damaged compression, an offset beyond all bounds
        pass
    if not found:
        raise BadInput(f"{path} is not a FITS file that can be read; check the file.")
    return found


def data_bytes(header: Any) -> int:
    """Bytes of the data that belong to a header; 0 where it makes no sense."""
    try:
        sides = [int(header[f"NAXIS{axis}"]) for axis in range(1, int(header["NAXIS"]) + 1)]
        pixels = 1
        for side in sides:
            pixels *= side
        if not sides:
            return 0
        size = abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1))
        return max(0, size * (int(header.get("PCOUNT", 0)) + pixels))
    except (KeyError, TypeError, ValueError):
        return 0


def bytes_from(path: Path, offset: int, wanted: int) -> int:
    """How many of the bytes wanted are there from an offset on in the unpacked file."""
    with open(path, "rb") as file:
        packed = compression(file.read(8))
    if not packed:
        return max(0, min(wanted, path.stat().st_size - offset))
    there = 0
    try:
        with open_plain(path) as unpacked:
            unpacked.seek(offset)
            while there < wanted:
                part = unpacked.read(min(_SKIP, wanted - there))
                if not part:
                    break
                there += len(part)
    except Exception:  # where the compression breaks off, the table does
        pass
    return there


def _read_header(file: Any) -> tuple[Any, int]:
    from astropy.io import fits

    blocks: list[bytes] = []
    while len(blocks) * _BLOCK < _MAX_HEADER:
        block = file.read(_BLOCK)
        if len(block) < _BLOCK:
            return None, 0
        if not blocks and not block.startswith((b"SIMPLE  =", b"XTENSION=")):
            return None, 0
        blocks.append(block)
        cards = (block[at : at + 8] for at in range(0, _BLOCK, 80))
        if any(card == b"END     " for card in cards):
            break
    else:
        return None, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = b"".join(blocks).decode("latin-1")
        header = fits.Header.fromstring(text)
        # Damaged cards show only when they are looked at.
        values: dict[str, Any] = {}
        comments: dict[str, str] = {}
        remarks: list[str] = []
        for card in header.cards:
            try:
                values.setdefault(card.keyword, card.value)
                comments.setdefault(card.keyword, card.comment)
                if card.keyword == "COMMENT":
                    remarks.append(str(card.value))
            except Exception:
                continue  # astropy parses a card when it is asked for; the others still count
    return Cards(values, comments, remarks), len(blocks) * _BLOCK


class Cards(dict[str, Any]):
    """Keyword to value, with the comments beside, and the text of all COMMENT cards."""

    def __init__(
        self, values: dict[str, Any], comments: dict[str, str], remarks: list[str]
    ) -> None:
        super().__init__(values)
        self.comments = comments
        self.remarks = remarks


def astropy_descriptions(header: Any) -> dict[str, str]:
    """Descriptions that astropy writes into comments, as YAML: column name to text."""
    begin, end = (f"--{word}-ASTROPY-SERIALIZED-COLUMNS--" for word in ("BEGIN", "END"))
    remarks = header.remarks
    if begin not in remarks or end not in remarks:
        return {}
    from astropy.table.meta import get_header_from_yaml

    lines = remarks[remarks.index(begin) + 1 : remarks.index(end)]
    try:
        said = get_header_from_yaml("\n".join(lines).replace("\\\n", "").split("\n"))
        return {
            str(one["name"]): str(one["description"])
            for one in said["datatype"]
            if "description" in one
        }
    except Exception:  # damaged, or of a later astropy: the columns themselves do not need it
        return {}
