"""Asking a service that answers with VOTables: patiently, and never taking half an answer.

A service that is busy or stumbles is asked again after a while; one that does not come round is a
sentence. The end of a VOTable tells whether it came whole.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from core.errors import BadInput, NotReady
from core.survey.runs import versions

if TYPE_CHECKING:
    pass

__all__ = ["SIMBAD_URL", "VIZIER_URL", "Asker", "Overflow", "Question", "ServiceSettings"]

SIMBAD_URL = "https://simbad.cds.unistra.fr/simbad/sim-tap/sync"
VIZIER_URL = "http://cdsxmatch.u-strasbg.fr/xmatch/api/v1/sync"

_MAX_ANSWER = 256 * 1024 * 1024
_LONGEST_WAIT_S = 300.0
_PASSING = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class ServiceSettings:
    """How the services are asked.

    Attributes
    ----------
    simbad_url, vizier_url
        Where they are; a mirror or a test server may stand in.
    objects_at_once
        Positions sent in one question.
    timeout_s
        For one answer, from the first byte sent to the last one received.
    tries
        How often one question is asked before it is given up.
    wait_s
        Pause before the second try; it doubles from try to try. What the service itself asks
        for (Retry-After) is kept to, up to five minutes.
    """

    simbad_url: str = SIMBAD_URL
    vizier_url: str = VIZIER_URL
    objects_at_once: int = 5000
    timeout_s: float = 180.0
    tries: int = 5
    wait_s: float = 3.0

    def __post_init__(self) -> None:
        for url in (self.simbad_url, self.vizier_url):
            if not re.match(r"https?://[^\s/]+", url):
                raise BadInput(
                    f"The address of a service begins with http:// or https://, but is {url!r};"
                    " correct it."
                )
        if self.objects_at_once < 1 or self.tries < 1 or not self.timeout_s > 0 <= self.wait_s:
            raise BadInput(
                "A service is asked about 1 object or more at once, once or more, with a timeout"
                " above 0; change the settings."
            )


class _Again(Exception):
    """The question may be asked again; the message is why, `wait_s` what the service asked for."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Overflow(Exception):
    """The service cut its answer off at its limit of rows."""


@dataclass(frozen=True)
class Question:
    """A form with one file: its fields, and the file's field, name, content and type."""

    data: dict[str, str]
    field: str
    file: tuple[str, bytes, str]


class Asker:
    """Puts questions to one service.

    Parameters
    ----------
    label, url
        The service, for the sentences and to be found at.
    """

    def __init__(self, label: str, url: str, settings: ServiceSettings) -> None:
        import httpx

        self.label, self.url, self.settings = label, url, settings
        self.n_questions = 0
        agent = {"User-Agent": f"Skysift/{versions()['skysift']}"}
        self._client = httpx.Client(follow_redirects=True, headers=agent)

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, question: Question, tell: Callable[[str], None]) -> Any:
        """The answer as an astropy `TableElement`.

        `tell` hears of every wait; it may raise `Cancelled`.

        Raises
        ------
        NotReady
            The service does not serve, or refuses the question.
        Overflow
            It cut the answer off at its limit of rows.
        """
        for attempt in range(1, self.settings.tries + 1):
            self.n_questions += 1
            try:
                return self._parsed(self._posted(question))
            except _Again as why:
                if attempt == self.settings.tries:
                    raise NotReady(
                        f"{self.label} at {self.url} was asked {attempt} times and did not serve"
                        f" ({why}); run the same command again later. Nothing was written."
                    ) from None
                asked = self.settings.wait_s * 2 ** (attempt - 1)
                wait = min(_LONGEST_WAIT_S, asked if why.wait_s is None else why.wait_s)
                _pause(wait, tell, f"waiting {wait:.0f} s ({why})")
        raise AssertionError("a question is asked once at least")

    def _posted(self, question: Question) -> bytes:
        import httpx

        until = time.monotonic() + self.settings.timeout_s
        parts: list[bytes] = []
        size = 0
        try:
            with self._client.stream(
                "POST",
                self.url,
                data=question.data,
                files={question.field: question.file},
                timeout=self.settings.timeout_s,
            ) as answer:
                for part in answer.iter_bytes():
                    parts.append(part)
                    size += len(part)
                    if size > _MAX_ANSWER:
                        raise NotReady(
                            f"{self.label} at {self.url} sent more than"
                            f" {_MAX_ANSWER / 2**20:.0f} MB in one answer; ask about fewer"
                            " objects at once. Nothing was written."
                        )
                    # The timeout of the client is for each piece; one that trickles has none.
                    if time.monotonic() > until:
                        raise _Again(f"no whole answer within {self.settings.timeout_s:g} s")
                body = b"".join(parts)
                if answer.status_code in _PASSING:
                    why = f"it answered {answer.status_code}{_first_words(body)}"
                    raise _Again(why, _retry_after(answer.headers.get("retry-after")))
                if answer.status_code != 200 and b"<VOTABLE" not in body[:4096].upper():
                    raise NotReady(
                        f"{self.label} at {self.url} refused the question: it answered"
                        f" {answer.status_code}{_first_words(body)}; check the address and the"
                        " settings. Nothing was written."
                    )
                return body
        except httpx.TimeoutException:
            raise _Again(f"no answer within {self.settings.timeout_s:g} s") from None
        except (httpx.RemoteProtocolError, httpx.DecodingError):
            raise _Again("its answer was cut short") from None
        except httpx.TransportError as error:
            raise _Again(f"it cannot be reached: {str(error)[:120]}") from None
        except (httpx.InvalidURL, httpx.TooManyRedirects) as error:
            raise NotReady(
                f"{self.label} cannot be asked at {self.url} ({error}); check the address."
                " Nothing was written."
            ) from None

    def _parsed(self, body: bytes) -> Any:
        if b"<VOTABLE" not in body[:4096].upper():
            said = _first_words(body) or ": nothing at all"
            raise _Again(f"its answer is not a VOTable{said}")
        # Where the last tag is missing the rest is, too, whatever the parser makes of it.
        if b"VOTABLE>" not in body.rstrip()[-64:].upper():
            raise _Again("its answer was cut short")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the services bend the standard a little
            from astropy.io.votable import parse

            try:
                document = parse(io.BytesIO(body), verify="ignore")
                resources = list(document.resources)
                infos = [one for found in resources for one in [*found.infos, *_infos(found)]]
                self._check_status([*infos, *document.infos])
                return document.get_first_table()
            except (Overflow, NotReady):
                raise
            except IndexError:
                raise _Again("its answer holds no table") from None
            except Exception as error:
                raise _Again(f"its answer cannot be read: {str(error)[:120]}") from None

    def _check_status(self, infos: list[Any]) -> None:
        for info in infos:
            if (info.name or "").upper() != "QUERY_STATUS":
                continue
            if (info.value or "").upper() == "OVERFLOW":
                raise Overflow
            if (info.value or "").upper() == "ERROR":
                said = " ".join(str(info.content or "no reason given").split())
                raise NotReady(
                    f"{self.label} at {self.url} refused the question: {said[:300]}; check the"
                    " settings. Nothing was written."
                )


def _infos(resource: Any) -> list[Any]:
    return [info for table in resource.tables for info in table.infos]


def _first_words(body: bytes) -> str:
    """What an error page says, without its markup."""
    text = re.sub(
        r"(?s)<(script|style)\b.*?</\1>|<[^>]*>", " ", body[:20_000].decode("utf-8", "replace")
    )
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f": {words[:160]!r}" if words else ""


def _retry_after(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        with contextlib.suppress(ValueError, TypeError):
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _pause(seconds: float, tell: Callable[[str], None], why: str) -> None:
    """Wait, telling now and then, so that the job can be stopped meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        tell(why)
        time.sleep(min(1.0, left))
