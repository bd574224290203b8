"""Services that know objects by their place: SIMBAD (TAP) and VizieR (the CDS X-Match service).

The positions are sent in pieces; nothing is written before the last answer is there.

Protocols: Table Access Protocol 1.1 (IVOA), with a table upload; CDS X-Match,
http://cdsxmatch.u-strasbg.fr/xmatch/doc/.
"""

from __future__ import annotations

import abc
import functools
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from core.errors import BadInput, NotReady
from core.progress import Progress
from core.survey.matching.crossmatch import Found
from core.survey.matching.known_http import Asker, Overflow, Question, ServiceSettings
from core.survey.matching.sphere import Positions, arcsec_of_chords, unit_vectors

__all__ = ["Simbad", "VizieR"]

MAX_VIZIER_ARCSEC = 180.0
"""The widest radius of the X-Match service."""

MAX_ROWS = 500_000
"""Asked for in one answer; one that is as long is taken for cut off."""

_ROW, _RA, _DEC = "skysift_row", "skysift_ra", "skysift_dec"
_VIZIER_TABLE = re.compile(r"[A-Za-z0-9_+./-]{1,120}")


class _Service(abc.ABC):
    """Asking in pieces, waiting, asking again."""

    label = ""

    def __init__(self, url: str, settings: ServiceSettings) -> None:
        self.url = url
        self.settings = settings
        self.notes: list[str] = []
        self._digest = hashlib.sha256()
        self._n_questions = self._n_matches = 0

    def near(
        self, positions: Positions, radius_arcsec: float, progress: Progress
    ) -> Iterator[Found]:
        """What lies within the radius of the survey's objects, a question at a time."""
        n, step = len(positions), self.settings.objects_at_once
        with Asker(self.label, self.url, self.settings) as asker:
            for start in range(0, n, step):
                done = start / n
                progress(done, f"{start:,} of {n:,} objects looked up")
                places = np.arange(start, min(start + step, n))
                tell = functools.partial(progress, done)
                yield from self._asked(asker, positions, places, radius_arcsec, tell)
            self._n_questions = asker.n_questions

    def _asked(
        self,
        asker: Asker,
        positions: Positions,
        places: np.ndarray,
        radius_arcsec: float,
        tell: Callable[[str], None],
    ) -> Iterator[Found]:
        try:
            table = asker.ask(self._question(positions, places, radius_arcsec), tell)
            if len(table.array) >= MAX_ROWS:
                raise Overflow
        except Overflow:
            if len(places) == 1:
                raise NotReady(
                    f"{self.label} has more objects within {radius_arcsec:g} arcsec of one of the"
                    " survey's than it gives out; choose a smaller radius. Nothing was written."
                ) from None
            middle = len(places) // 2
            for half in (places[:middle], places[middle:]):
                yield from self._asked(asker, positions, half, radius_arcsec, tell)
            return
        found = self._found(table, positions, radius_arcsec)
        self._n_matches += len(found.rows)
        told = [found.rows.tolist(), found.sep_arcsec.tolist(), found.names, found.types]
        self._digest.update(json.dumps(told).encode())
        yield found

    @abc.abstractmethod
    def _question(
        self, positions: Positions, places: np.ndarray, radius_arcsec: float
    ) -> Question:
        """What to ask the service for these positions."""

    @abc.abstractmethod
    def _found(self, table: Any, positions: Positions, radius_arcsec: float) -> Found:
        """What its answer says of them."""

    def _columns(self, table: Any, names: list[str]) -> list[np.ma.MaskedArray]:
        lowered = {str(one.name).lower(): one.name for one in table.fields}
        missing = [name for name in names if name.lower() not in lowered]
        if missing:
            raise NotReady(
                f"{self.label} at {self.url} answered without the column {missing[0]!r} (there:"
                f" {', '.join(lowered)[:200]}); check the address. Nothing was written."
            )
        return [np.ma.asarray(table.array[lowered[name.lower()]]) for name in names]

    def _places(self, column: np.ma.MaskedArray, positions: Positions) -> np.ndarray:
        """Which object each line is about, as it was numbered in the question."""
        try:
            numbers = np.asarray(np.ma.filled(column, -1), dtype=np.int64)
        except (TypeError, ValueError):
            numbers = np.full(len(column), -1)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(positions)):
            raise NotReady(
                f"{self.label} at {self.url} answered about objects that it was not asked about;"
                " check the address. Nothing was written."
            )
        return numbers

    def _sorted(
        self, rows: np.ndarray, sep: np.ndarray, names: list[str], types: list[str | None]
    ) -> Found:
        """In an order of its own: a service's may change from one day to the next."""
        order = sorted(range(len(rows)), key=lambda p: (rows[p], sep[p], names[p], types[p] or ""))
        return Found(rows[order], sep[order], [names[p] for p in order], [types[p] for p in order])

    def provenance(self) -> dict[str, Any]:
        """Address, hash of the matches and counts, for the record."""
        return {
            "source": self.url,
            "sha256": self._digest.hexdigest(),
            "questions": self._n_questions,
            "matches": self._n_matches,
        }


class Simbad(_Service):
    """SIMBAD by its TAP service (table `basic`)."""

    label = "SIMBAD"

    def __init__(self, settings: ServiceSettings) -> None:
        super().__init__(settings.simbad_url, settings)

    def _question(
        self, positions: Positions, places: np.ndarray, radius_arcsec: float
    ) -> Question:
        query = (
            f"SELECT mine.{_ROW}, basic.main_id, basic.ra, basic.dec, basic.otype"
            " FROM TAP_UPLOAD.mine AS mine JOIN basic"
            " ON 1 = CONTAINS(POINT('ICRS', basic.ra, basic.dec),"
            f" CIRCLE('ICRS', mine.{_RA}, mine.{_DEC}, {radius_arcsec / 3600:.10f}))"
        )
        data = {
            "REQUEST": "doQuery",
            "LANG": "ADQL",
            "FORMAT": "votable",
            "QUERY": query,
            "MAXREC": str(MAX_ROWS),
            "UPLOAD": "mine,param:positions",
        }
        file = ("positions.vot", _votable(positions, places), "text/xml")
        return Question(data, "positions", file)

    def _found(self, table: Any, positions: Positions, radius_arcsec: float) -> Found:
        number, name, ra, dec, kind = self._columns(table, [_ROW, "main_id", "ra", "dec", "otype"])
        places = self._places(number, positions)
        known = [np.asarray(np.ma.filled(one.astype(float), np.nan)) for one in (ra, dec)]
        apart = unit_vectors(*known) - positions.vectors[places]
        sep = arcsec_of_chords(np.linalg.norm(apart, axis=1))
        kept = np.flatnonzero(sep <= radius_arcsec)
        names, types = _texts(name), _texts(kind)
        return self._sorted(
            positions.rows[places[kept]],
            sep[kept],
            [names[p] or "unnamed" for p in kept],
            [types[p] for p in kept],
        )


class VizieR(_Service):
    """A table of VizieR (such as "VII/294/catalog") by the CDS X-Match service."""

    def __init__(
        self, table: str, settings: ServiceSettings, name: str | None, kind: str | None
    ) -> None:
        if not _VIZIER_TABLE.fullmatch(table):
            raise BadInput(
                "A table of VizieR is named like VII/294/catalog, but came"
                f" {table[:80]!r}; look its name up at https://vizier.cds.unistra.fr."
            )
        self.label = f"VizieR {table}"
        super().__init__(settings.vizier_url, settings)
        self._table = table
        self._name, self._kind = name, kind

    def near(
        self, positions: Positions, radius_arcsec: float, progress: Progress
    ) -> Iterator[Found]:
        """As for every service; refuses a radius that it does not serve."""
        if radius_arcsec > MAX_VIZIER_ARCSEC:
            raise BadInput(
                f"The X-Match service of VizieR serves radii up to {MAX_VIZIER_ARCSEC:g} arcsec,"
                f" but {radius_arcsec:g} were asked for; choose a smaller one."
            )
        yield from super().near(positions, radius_arcsec, progress)

    def _question(
        self, positions: Positions, places: np.ndarray, radius_arcsec: float
    ) -> Question:
        data = {
            "request": "xmatch",
            "RESPONSEFORMAT": "votable",
            "distMaxArcsec": f"{radius_arcsec:.6f}",
            "MAXREC": str(MAX_ROWS),
            "selection": "all",
            "colRA1": _RA,
            "colDec1": _DEC,
            "cat2": f"vizier:{self._table}",
        }
        lines = [f"{_ROW},{_RA},{_DEC}\n"]
        lines += [
            f"{place},{ra!r},{dec!r}\n"
            for place, ra, dec in zip(
                places.tolist(),
                positions.ra[places].tolist(),
                positions.dec[places].tolist(),
                strict=True,
            )
        ]
        return Question(data, "cat1", ("positions.csv", "".join(lines).encode(), "text/csv"))

    def _found(self, table: Any, positions: Positions, radius_arcsec: float) -> Found:
        number, distance = self._columns(table, [_ROW, "angDist"])
        places = self._places(number, positions)
        sep = np.asarray(np.ma.filled(distance.astype(float), np.nan))
        own = [one for one in table.fields if str(one.name).lower() not in _SENT]
        name = self._chosen(own, self._name, _named_by)
        kind = self._chosen(own, self._kind, _typed_by)
        names = _texts(table.array[name]) if name else [None] * len(places)
        types = _texts(table.array[kind]) if kind else [None] * len(places)
        kept = np.flatnonzero(sep <= radius_arcsec)
        return self._sorted(
            positions.rows[places[kept]],
            sep[kept],
            [names[p] or "unnamed" for p in kept],
            [types[p] for p in kept],
        )

    def _chosen(self, fields: list[Any], named: str | None, guess: Any) -> str | None:
        if named is None:
            found: str | None = guess(fields)
            return found
        for field in fields:
            if str(field.name).lower() == named.lower():
                return str(field.name)
        there = ", ".join(str(field.name) for field in fields)
        raise BadInput(
            f"{self.label} has no column {named!r} (there: {there[:300]}); name one of these."
        )


_SENT = {_ROW, _RA, _DEC, "angdist"}


def _named_by(fields: list[Any]) -> str | None:
    """The column with the main name, by its UCD; else the first identifier; else the first."""
    for wanted in ("meta.id;meta.main", "meta.id"):
        for field in fields:
            if (field.ucd or "").lower().startswith(wanted):
                return str(field.name)
    return str(fields[0].name) if fields else None


def _typed_by(fields: list[Any]) -> str | None:
    return next((str(one.name) for one in fields if (one.ucd or "").startswith("src.class")), None)


def _texts(column: Any) -> list[str | None]:
    values = np.ma.asarray(column)
    hidden = np.ma.getmaskarray(values)
    found: list[str | None] = []
    for value, is_hidden in zip(values.data.tolist(), hidden.tolist(), strict=True):
        text = "" if is_hidden or value is None else value
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        found.append(" ".join(str(text).split()) or None)
    return found


def _votable(positions: Positions, places: np.ndarray) -> bytes:
    from astropy.table import Table

    table = Table({_ROW: places, _RA: positions.ra[places], _DEC: positions.dec[places]})
    out = io.BytesIO()
    table.write(out, format="votable")
    return out.getvalue()
