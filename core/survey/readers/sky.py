"""Makes a survey of a list of positions: an archive is asked for each object."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.survey.batch import Batch, BatchBuilder, CatalogueValue, Reject
from core.survey.options import ImportOptions
from core.survey.readers.registry import Reader, Unit, register_reader
from core.survey.sky.cache import default_cache
from core.survey.sky.client import Client
from core.survey.sky.entries import entries_by_position, entries_by_table
from core.survey.sky.fetching import fetched
from core.survey.sky.pace import MANNERS, manners_from
from core.survey.sky.services import SERVICES, Entry, Made, make_service

_UNIT_ENTRIES = 32
"""Between units the job tells how far it is, can be stopped, and keeps what it has."""

_BATCH = 16


def _own_options() -> dict[str, str]:
    names = ", ".join(f"{name}: {service.description}" for name, service in SERVICES.items())
    found = {
        "service": names,
        "base_url": "address of the service, where it is not the documented one",
        "cache": "folder of what was downloaded (default: ~/.cache/skysift/downloads)",
        **MANNERS,
    }
    for name, service in SERVICES.items():
        for option, meaning in service.own_options.items():
            earlier = f"{found[option]}; " if option in found else ""
            found[option] = f"{earlier}{name}: {meaning}"
    return found


@register_reader("sky", "a list of positions; each object's picture or spectrum is downloaded")
class SkyReader(Reader):
    """Entries are the rows of a table, or the lines of a text file, with positions (or with
    plate, mjd and fiberid for spectra). Which archive is asked is the setting `service`.

    Answers are kept in the cache, also the answer that there is nothing; a second import asks
    for none of them again. Columns: those of the list, `ra`, `dec`, and the `wcs_*` of the
    cutout.
    """

    own_options = _own_options()
    polite = True

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        own = options.own(self.own_options)
        if "service" not in own:
            raise BadInput(
                "The sky reader wants to know which archive to ask: set service to one of"
                f" {', '.join(sorted(SERVICES))} (--set service=NAME)."
            )
        for_service = {
            name: value
            for name, value in own.items()
            if name not in MANNERS and name not in ("service", "cache")
        }
        self._service = make_service(own["service"], options, for_service)
        self._manners = manners_from(own)
        self._cache = Path(own["cache"]).expanduser() if own.get("cache") else default_cache()
        opened = entries_by_position if self._service.by_position else entries_by_table
        self._entries = opened(source, options)
        self._client: Client | None = None
        self.n_entries = self._entries.n_entries
        self.notes = list(self._entries.notes)
        self.layout = self._service.layout_with(self._entries.columns)
        questions = self.n_entries * self._service.questions
        self.settings = {
            **self._service.settings(),
            "questions_per_second": self._manners.per_second,
            "questions_at_once": self._manners.concurrent,
            "hours_at_least": round(questions / self._manners.per_second / 3600, 2),
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_client": None}

    @classmethod
    def recognises(cls, source: Path) -> int:  # noqa: ARG003
        return 0  # a list of positions is a table first: who wants downloads says so

    def units(self) -> Iterator[Unit]:
        step = min(_UNIT_ENTRIES, self.layout.unit_entries)
        for number, start in enumerate(range(0, self.n_entries, step)):
            stop = min(start + step, self.n_entries)
            yield Unit(number, stop - start, list(range(start, stop)))

    def read(self, unit: Unit) -> Iterator[Batch]:
        if self._client is None:
            self._client = Client(self._cache, self._manners)
        client = self._client
        pool = ThreadPoolExecutor(self._manners.concurrent, thread_name_prefix="sky")
        gathered = BatchBuilder()
        with client:
            try:
                waiting: list[tuple[Entry, Future[Made | str]] | Reject] = [
                    entry
                    if isinstance(entry, Reject)
                    else (entry, pool.submit(fetched, self._service, client, entry))
                    for entry in self._entries.rows(unit.what[0], unit.what[-1] + 1)
                ]
                for one in waiting:
                    self._gather(gathered, one)
                    if len(gathered) >= _BATCH:
                        yield gathered.take()
            except BaseException:  # also a reader that is closed: nobody waits for the rest
                client.stop()
                self._client = None
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            pool.shutdown()
        if len(gathered):
            yield gathered.take()

    def _gather(
        self, gathered: BatchBuilder, one: tuple[Entry, Future[Made | str]] | Reject
    ) -> None:
        if isinstance(one, Reject):
            gathered.reject(one.source, one.reason, one.member)
            return
        entry, future = one
        made = future.result()
        if isinstance(made, str):
            gathered.reject(self.source.name, made, self._service.object_id(entry))
            return
        for words in made.tally:
            gathered.tally(words)
        gathered.add(
            self._service.object_id(entry),
            _joined(entry, made),
            image=made.image,
            spectrum=made.spectrum,
        )


def _joined(entry: Entry, made: Made) -> dict[str, CatalogueValue]:
    """Columns of both; the list's own stand, except where they tell of another image."""
    wcs = {name: value for name, value in made.columns.items() if name.startswith("wcs_")}
    return {**made.columns, **entry.columns, **wcs}
