"""Our tables from a VOTable with TABLEDATA, parsed as it is read; a place is a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO
from xml.parsers import expat

from core.exchange.cells import unescaped
from core.exchange.incoming import Place, RawTable
from core.exchange.text import piece


class _Parser:
    """Gathers fields, provenance and rows while expat reads on."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.metadata: Mapping[str, Any] = {}
        self.fields: list[str] = []
        self.rows: list[tuple[int, dict[str, Any]]] = []
        self.in_table = False
        self._row: list[str | None] = []
        self._cell: list[str] | None = None
        self._is_empty_text = False
        self._line = 0
        self._done = False
        self.xml = expat.ParserCreate(namespace_separator=" ")
        self.xml.buffer_text = True
        self.xml.StartElementHandler = self._start
        self.xml.EndElementHandler = self._end
        self.xml.CharacterDataHandler = self._text
        self.xml.StartCdataSectionHandler = self._cdata
        self.xml.EntityDeclHandler = self._entity

    def feed(self, data: bytes) -> None:
        try:
            self.xml.Parse(data, not data)
        except expat.ExpatError as error:
            raise self.place.bad(
                error.lineno,
                f"the XML is broken ({expat.ErrorString(error.code)}); fetch it again.",
            ) from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(" ")[2]
        if tag == "TD":
            self._cell, self._is_empty_text = [], False
        elif tag == "TR":
            self._row, self._line = [], self.xml.CurrentLineNumber
        elif tag == "FIELD" and not self._done:
            self.fields.append(unescaped(attributes.get("name", "")))
        elif tag == "TABLEDATA":
            self.in_table = not self._done
        elif tag == "INFO" and attributes.get("name") == "skysift":
            self._provenance(attributes.get("value", ""))
        elif tag in ("BINARY", "BINARY2", "FITS"):
            raise self.place.bad(
                self.xml.CurrentLineNumber,
                f"the table's data is {tag}, but only TABLEDATA is read; save it so.",
            )

    def _provenance(self, text: str) -> None:
        try:
            said = json.loads(text)
        except ValueError:
            return
        self.metadata = said if isinstance(said, dict) else {}

    def _end(self, name: str) -> None:
        tag = name.rpartition(" ")[2]
        if tag == "TD" and self._cell is not None:
            text = "".join(self._cell)
            self._row.append(unescaped(text) if text or self._is_empty_text else None)
            self._cell = None
        elif tag == "TR" and not self._done:
            if len(self._row) != len(self.fields):
                raise self.place.bad(
                    self._line,
                    f"the row has {len(self._row)} cells, but there are {len(self.fields)} fields;"
                    " fetch the file again.",
                )
            self.rows.append((self._line, dict(zip(self.fields, self._row, strict=True))))
        elif tag == "TABLE":
            self._done = True  # only the first table is ours

    def _text(self, text: str) -> None:
        if self._cell is not None:
            self._cell.append(text)

    def _cdata(self) -> None:
        self._is_empty_text = True

    def _entity(self, *_about: object) -> None:
        raise self.place.bad(
            self.xml.CurrentLineNumber, "the XML declares entities, which no label table needs."
        )


def read_votable(stream: BinaryIO, place: Place) -> tuple[Mapping[str, Any], RawTable]:
    """The provenance and the rows of a VOTable's first table.

    Raises `BadInput`, with the line, for broken XML and for another serialisation.
    """
    parser = _Parser(place)
    while not parser.in_table:
        data = piece(stream, place)
        parser.feed(data)
        if not data:
            raise place.bad(None, "the VOTable has no TABLEDATA; there is nothing to import.")
    return parser.metadata, RawTable(parser.fields, _rows(stream, parser))


def _rows(stream: BinaryIO, parser: _Parser) -> Iterator[tuple[int, dict[str, Any]]]:
    while True:
        rows, parser.rows = parser.rows, []
        yield from rows
        data = piece(stream, parser.place, parser.xml.CurrentLineNumber)
        parser.feed(data)
        if not data:
            yield from parser.rows
            return
