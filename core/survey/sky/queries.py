"""Catalogue queries: SQL to SDSS's SkyServer, ADQL to any TAP service; a table file comes out.

Sources: https://skyserver.sdss.org/dr18/SkyServerWS/ (SqlSearch); IVOA TAP 1.1
(https://www.ivoa.net/documents/TAP/20190927/), spoken by pyvo.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from core.errors import AlreadyExists, BadInput, NotReady
from core.progress import Progress, silent
from core.survey.sky.cache import default_cache, partial_of, writing
from core.survey.sky.client import Client, FileSink, Unavailable, checked_url
from core.survey.sky.csv_tables import append_csv, write_table
from core.survey.sky.kinds import MB, Kind
from core.survey.sky.pace import Manners
from core.survey.sky.tap_session import tap_session

SDSS_SQL = "https://skyserver.sdss.org/dr18/SkyServerWS/SearchTools/SqlSearch"
SDSS_MAX_ROWS = 500_000
"""SkyServer sends no more rows for one query (https://skyserver.sdss.org/dr18/en/help/docs/limits)."""

TAP_SERVICES: Mapping[str, str] = {
    "gaia": "https://gea.esac.esa.int/tap-server/tap",
    "noirlab": "https://datalab.noirlab.edu/tap",
    "simbad": "https://simbad.cds.unistra.fr/simbad/sim-tap",
    "vizier": "https://tapvizier.cds.unistra.fr/TAPVizieR/tap",
}
"""TAP services by short name; noirlab has the tables of the Legacy Surveys."""

_CSV = Kind("a table (CSV)", never=(b"<", b"{"), max_bytes=8 * 1024 * MB)
_POLITE = Manners(concurrent=1, per_second=1.0, timeout_s=700.0, retries=4)
"""SkyServer takes 60 queries a minute and lets each run for ten minutes."""

_POLL_S = (1.0, 30.0)


@dataclass(frozen=True)
class QueryResult:
    """What a query brought.

    Attributes
    ----------
    path
        The table file.
    n_rows, columns
        What it holds.
    notes
        Sentences about what is missing.
    """

    path: Path
    n_rows: int
    columns: tuple[str, ...]
    notes: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        told = f"{self.n_rows:,} rows in {len(self.columns)} columns are in {self.path}."
        return " ".join([told, *self.notes])


def run_query(
    service: str,
    query: str,
    out: Path,
    *,
    base_url: str | None = None,
    split: str | None = None,
    max_rows: int | None = None,
    overwrite: bool = False,
    manners: Manners | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> QueryResult:
    """Ask an archive for a table and write it to a file.

    Parameters
    ----------
    service
        "sdss" (SQL), a name of `TAP_SERVICES` or "tap" with a `base_url` (ADQL).
    query
        With `split` it holds {from} and {to}: "... WHERE ra >= {from} AND ra < {to}".
    out
        Ends in .csv or .parquet.
    base_url
        Another address than the documented one.
    split
        "START:STOP:N": the query is asked N times, for N equal ranges one after the other, and
        the answers are joined. That is how more rows come than a service sends at once.
    max_rows
        MAXREC of each TAP query; the service's own limit when left out.

    Raises
    ------
    BadInput
        The service does not understand the query, or a setting is wrong.
    NotReady
        The service does not answer.
    """
    out = Path(out).expanduser()
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise BadInput(f"A query writes .csv or .parquet, but {out} ends otherwise; rename it.")
    if out.exists() and not overwrite:
        raise AlreadyExists(f"There is already a file {out}; name another, or overwrite it.")
    asked = _asked(service, base_url)
    queries = _split(query, split)
    client = Client(cache or default_cache(), manners or _POLITE)
    notes: list[str] = []
    with writing(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
    gathered = partial_of(out.with_suffix(".gathered"))
    piece = gathered.with_suffix(".piece.partial")
    n_rows = 0
    columns: tuple[str, ...] = ()
    try:
        with client:
            for number, one in enumerate(queries):
                progress(number / len(queries), f"Query {number + 1} of {len(queries)}")
                ask = _ask_sdss if service == "sdss" else _ask_tap
                limit = ask(client, asked, one, piece, max_rows, progress)
                n, columns = append_csv(piece, gathered, columns)
                n_rows += n
                if limit is not None and n >= limit:
                    notes.append(
                        f"Query {number + 1} of {len(queries)} brought as many rows as the"
                        f" service sends at once ({limit:,}), so that some are missing: split"
                        " the query into smaller ranges."
                    )
        if not n_rows:
            raise BadInput("The query brought no rows; widen it.")
        progress(1.0, f"Writing {n_rows:,} rows")
        write_table(gathered, out)
    finally:
        for path in (gathered, piece):
            path.unlink(missing_ok=True)
    return QueryResult(out, n_rows, columns, notes)


def _asked(service: str, base_url: str | None) -> str:
    known = {"sdss": SDSS_SQL, **TAP_SERVICES}
    if base_url is not None and (service in known or service == "tap"):
        return checked_url(base_url.rstrip("/"))
    if service not in known:
        raise BadInput(
            f"Queries go to one of {', '.join(sorted(known))}, or to tap with a base_url, but"
            f" got {service!r}; choose one of these."
        )
    return known[service]


def _split(query: str, split: str | None) -> list[str]:
    """The query for each range; the ends of the ranges as exact decimals."""
    query = query.strip()
    if not query:
        raise BadInput("The query is empty; write one, such as SELECT TOP 10 ... FROM ...")
    holds = "{from}" in query and "{to}" in query
    if split is None:
        if holds:
            raise BadInput("The query holds {from} and {to}; say over which range with split.")
        return [query]
    found = re.fullmatch(r"([^:]+):([^:]+):(\d+)", split.strip())
    try:
        if not found:
            raise ValueError
        low, high, n = float(found[1]), float(found[2]), int(found[3])
        if not (low < high < float("inf") and 1 <= n <= 100_000):
            raise ValueError
    except ValueError:
        raise BadInput(
            f"A split is START:STOP:N with START below STOP and N from 1 to 100,000, such as"
            f" 0:360:36, but is {split!r}; change it."
        ) from None
    if not holds:
        raise BadInput(
            "With a split the query holds {from} and {to}, as in: WHERE ra >= {from} AND ra <"
            " {to}; add them."
        )
    # One expression for both ends, so that no gap and no overlap comes of rounding.
    ends = [repr(low + (high - low) * number / n) for number in range(n + 1)]
    return [query.replace("{from}", a).replace("{to}", b) for a, b in pairwise(ends)]


def _ask_sdss(
    client: Client, address: str, query: str, to: Path, _max: int | None, _progress: Progress
) -> int | None:
    """Write SkyServer's answer to `to`; how many rows it sends at most."""
    # Line breaks and comments confuse the service.
    plain = " ".join(re.sub(r"--[^\n]*", " ", query).split())
    url = f"{address}?{urlencode({'cmd': plain, 'format': 'csv'})}"
    try:
        client.download(url, _CSV, FileSink(to))
    except Unavailable as error:
        raise _not_understood(str(error)) from None
    return SDSS_MAX_ROWS


def _ask_tap(
    client: Client, address: str, query: str, to: Path, max_rows: int | None, progress: Progress
) -> int | None:
    """Write a TAP service's answer to `to`: an asynchronous job, whose result is downloaded."""
    import requests
    from pyvo.dal import DALAccessError, TAPService

    session = tap_session(_POLITE.timeout_s)
    try:
        service = TAPService(address, session=session)
        job = _job(service.submit_job, query, max_rows)
        try:
            job.run()
            _wait(job, client, progress)
            job.raise_if_error()
            uri = job.result_uri
            if not uri:
                raise NotReady("The service finished the query but names no result; try again.")
            client.download(uri, _CSV, FileSink(to))
        finally:
            _delete(job)
    except Unavailable as error:
        raise _not_understood(str(error)) from None
    except requests.RequestException as error:
        raise NotReady(
            f"The service {address} does not answer ({type(error).__name__}); try again later."
        ) from None
    except DALAccessError as error:
        raise _not_understood(" ".join(str(error).split())[:300]) from None
    finally:
        session.close()
    return max_rows


def _job(submit: Callable[..., Any], query: str, max_rows: int | None) -> Any:
    return submit(query, maxrec=max_rows, FORMAT="csv")


def _wait(job: Any, client: Client, progress: Progress) -> None:
    wait, longest = _POLL_S
    started = time.monotonic()
    while (phase := job.phase) not in ("COMPLETED", "ERROR", "ABORTED"):
        progress(0.0, f"The query is {phase.lower()} ({time.monotonic() - started:.0f} s)")
        client.rest(wait)
        wait = min(1.5 * wait, longest)


def _delete(job: Any) -> None:
    import requests
    from pyvo.dal import DALAccessError

    with suppress(DALAccessError, requests.RequestException):
        job.delete()  # the service removes finished jobs by itself after a while


def _not_understood(said: str) -> BadInput:
    return BadInput(f"The query brought no table: {said}; check the query and the service.")
