"""Asks other machines for files: politely, patiently, and once for each."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import urljoin, urlsplit

from core.errors import BadInput, Cancelled
from core.survey.readers.unreadable import Unreadable
from core.survey.sky.cache import Cache, Kept, writing
from core.survey.sky.kinds import HEAD_BYTES, TAIL_BYTES, Kind, first_words
from core.survey.sky.pace import Health, Manners, Pace, retry_after

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 5
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_PASSING = frozenset((408, 425, 429))
_REFUSALS = frozenset((400, 401, 403, 405, 407, 411, 412, 413, 414, 415, 422, 451))


class Unavailable(Unreadable):
    """Why a service gives nothing for an entry, in words that follow the entry's name.

    `lasting` where asking again would not change it.
    """

    lasting = False


class Passing(Exception):
    """A failure after which the same question may have an answer."""

    def __init__(self, reason: str, *, unreachable: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.unreachable, self.wait_s = unreachable, wait_s


class Lasting(Unavailable):
    """Nothing will ever come: kept in the cache."""

    lasting = True


class _Refused(Unavailable):
    """The service does not like the question; asking it again at once would not help."""


class Sink(Protocol):
    """Where an answer goes; `restart` forgets what came before a failure."""

    def restart(self) -> None: ...

    def write(self, chunk: bytes) -> object: ...


class _Memory(bytearray):
    def restart(self) -> None:
        self.clear()

    def write(self, chunk: bytes) -> None:
        self.extend(chunk)


class FileSink:
    """A sink that writes a file and knows its SHA-256."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.restart()

    def restart(self) -> None:
        self.sha256 = hashlib.sha256()
        with writing(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(b"")

    def write(self, chunk: bytes) -> None:
        self.sha256.update(chunk)
        with writing(self.path.parent), open(self.path, "ab") as file:
            file.write(chunk)


class Client:
    """Gets files over HTTP, for several threads at once.

    A failure that may pass (no answer, 408, 425, 429, 5xx, an answer cut short or of another
    kind than expected) is tried again after growing waits with jitter; Retry-After is honoured
    by all threads. What will not change (404, 410, a message that there is nothing at this
    position) is kept as such. When a service is down for good, `NotReady` stops the run instead
    of every position being turned away.

    Parameters
    ----------
    cache
        Folder of the answers; made when first needed.
    manners
        See `Manners`.
    clock, now, sleep
        For tests: seconds that only grow, seconds since 1970, a wait that can be interrupted.
    """

    def __init__(
        self,
        cache: Path,
        manners: Manners | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.manners = manners or Manners()
        self.cache = Cache(cache)
        self._clock, self._now = clock, now
        self._stopped = threading.Event()
        self._sleep = sleep or self._wait
        self._pace = Pace(self.manners.per_second, clock, self._sleep)
        self._gate = threading.Semaphore(self.manners.concurrent)
        self._health = Health(self.manners)
        self._http: httpx.Client | None = None

    def __enter__(self) -> Self:
        import httpx

        limits = httpx.Limits(max_connections=self.manners.concurrent)
        timeout = httpx.Timeout(self.manners.timeout_s)
        headers = {"User-Agent": user_agent(), "Accept-Encoding": "identity"}
        self._http = httpx.Client(timeout=timeout, limits=limits, headers=headers)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._http is not None
        self._http.close()
        self._http = None

    def stop(self) -> None:
        """End every wait and question with `Cancelled`, now and later."""
        self._stopped.set()

    def rest(self, seconds: float) -> None:
        """Wait; raises `Cancelled` once `stop` is called."""
        self._sleep(seconds)

    def get(self, url: str, kind: Kind) -> bytes:
        """The bytes at an address, from the cache where they are there.

        Raises
        ------
        Unavailable
            There is nothing for this address, or not now.
        NotReady
            The service is down.
        Cancelled
            `stop` was called.
        """
        kept = self._kept(url)
        if kept is not None:
            return kept.body
        memory = _Memory()
        self._remembered(url, kind, memory)
        body = bytes(memory)
        self.cache.put(url, body)
        return body

    def get_into(self, url: str, kind: Kind, sink: Sink) -> None:
        """Write what is at an address to a sink; of the cache only its "nothing there" is used.

        For what is too large to be kept twice. Raises as `get` does.
        """
        self._kept(url)
        self._remembered(url, kind, sink)

    def forget(self, url: str) -> None:
        """Drop an answer that turned out to be of no use."""
        self.cache.forget(url)

    def download(self, url: str, kind: Kind, sink: Sink) -> None:
        """Write what is at an address to a sink, without the cache; raises as `get` does."""
        checked_url(url)
        jitter = random.Random(f"{self.manners.seed} {url}")
        host = urlsplit(url).hostname or url
        for attempt in range(self.manners.retries + 1):
            self._check()
            try:
                with self._gate:
                    sink.restart()
                    self._ask(url, kind, sink)
            except Passing as error:
                self._health.bad(host, str(error), error.unreachable)
                last = str(error)
                if error.wait_s:
                    self._pace.pause(error.wait_s)
                elif attempt < self.manners.retries:
                    wait = min(_FIRST_WAIT_S * 2**attempt, _LONGEST_WAIT_S)
                    self._check()
                    self._sleep(wait * jitter.uniform(0.5, 1.0))
            except _Refused as error:
                self._health.bad(
                    host, str(error).removeprefix("cannot be had: the service "), False
                )
                raise
            except Lasting:
                self._health.good()
                raise
            else:
                self._health.good()
                return
        self._check()
        raise Unavailable(
            f"cannot be had: the service {last} (asked {self.manners.retries + 1} times)"
        )

    def _kept(self, url: str) -> Kept | None:
        kept = self.cache.get(url)
        if kept is not None and kept.reason:
            raise Lasting(kept.reason)
        return kept

    def _remembered(self, url: str, kind: Kind, sink: Sink) -> None:
        try:
            self.download(url, kind, sink)
        except Lasting as error:
            self.cache.put(url, b"", reason=str(error))
            raise

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Cancelled("Stopped while downloading.")
        self._health.check()

    def _wait(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise Cancelled("Stopped while downloading.")

    def _ask(self, url: str, kind: Kind, sink: Sink) -> None:
        import httpx

        try:
            self._follow(url, kind, sink)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError):
            raise Passing("cannot be reached", unreachable=True) from None
        except httpx.TimeoutException:
            raise Passing(f"did not answer within {self.manners.timeout_s:g} s") from None
        except (httpx.TransportError, httpx.DecodingError):
            raise Passing("broke off while it answered (cut short)") from None
        except (httpx.InvalidURL, httpx.HTTPError, ValueError) as error:
            raise _Refused(f"cannot be had: the service sends nonsense ({error})") from None

    def _follow(self, url: str, kind: Kind, sink: Sink) -> None:
        at = url
        for _ in range(MAX_REDIRECTS + 1):
            self._pace.take()
            self._check()
            assert self._http is not None, "use the client in a with block"
            with self._http.stream("GET", at) as response:
                if not response.has_redirect_location:
                    return self._receive(response, kind, sink)
                at = urljoin(at, response.headers["location"])
            if urlsplit(at).scheme not in ("http", "https"):
                raise _Refused(
                    "cannot be had: the service redirects to something that is not on the web"
                )
        raise _Refused("cannot be had: the service redirects in circles")

    def _receive(self, response: httpx.Response, kind: Kind, sink: Sink) -> None:
        status = response.status_code
        if status != 200:
            head = b""
            for chunk in response.iter_bytes():
                head += chunk
                if len(head) >= HEAD_BYTES:
                    break
            raise self._failure(status, response.headers, head, kind)
        declared = response.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > kind.max_bytes:
            raise Lasting(_too_much(kind))
        head, tail, n_bytes = b"", b"", 0
        deadline = self._clock() + 10 * self.manners.timeout_s
        for chunk in response.iter_bytes():
            self._check()
            if self._clock() > deadline:
                raise Passing(f"was not done after {10 * self.manners.timeout_s:g} s")
            n_bytes += len(chunk)
            if n_bytes > kind.max_bytes:
                raise Lasting(_too_much(kind))
            if len(head) < HEAD_BYTES:
                head += chunk[: HEAD_BYTES - len(head)]
            tail = (tail + chunk)[-TAIL_BYTES:]
            sink.write(chunk)
        if not n_bytes:
            raise Passing("sent nothing")
        if not kind.may_begin(head):
            words = first_words(head)
            if kind.nothing.search(words):
                raise Lasting(f"has nothing there: the service says «{words}»")
            raise Passing(f"sent something else than {kind.words}" + (words and f": «{words}»"))
        if not kind.whole(tail, n_bytes):
            raise Passing(f"sent {kind.words} that is cut short")

    def _failure(
        self, status: int, headers: Mapping[str, str], body: bytes, kind: Kind
    ) -> Exception:
        words = first_words(body)
        said = f"{status}" + (words and f": «{words}»")
        if status in (404, 410) or kind.nothing.search(words):
            return Lasting(f"has nothing there: the service says {said}")
        if status in _PASSING or status >= 500:
            wait = retry_after(headers.get("retry-after"), self._now())
            return Passing(f"says {said}", wait_s=wait)
        if status in _REFUSALS:
            return _Refused(f"cannot be had: the service refuses ({said})")
        return _Refused(f"cannot be had: the service gives an odd answer ({said})")


def checked_url(url: str) -> str:
    """The address; `BadInput` unless it is a plain one of the web."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        usable = usable and parts.username is None and url.isprintable() and " " not in url
    except ValueError:
        usable = False
    if not usable:
        raise BadInput(
            "The address of a service begins with https:// or http:// and holds no password and"
            f" no blanks, but is {url[:200]!r}; change the setting base_url."
        )
    return url


def _too_much(kind: Kind) -> str:
    return f"is too large: more than {kind.max_bytes // 2**20:,} MB are sent for {kind.words}"


@lru_cache
def user_agent() -> str:
    """How Skysift introduces itself to other machines."""
    from core.survey.runs import versions

    return f"Skysift/{versions()['skysift']} (labels astronomical surveys; one user, cached)"
