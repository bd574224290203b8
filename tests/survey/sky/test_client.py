from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import BadInput, Cancelled, NotReady, StorageFull
from core.survey.sky import cache as cache_module
from core.survey.sky.client import Client, Unavailable
from core.survey.sky.kinds import FITS, JPEG, Kind, first_words
from core.survey.sky.pace import Manners, Pace, manners_from, retry_after

ANY = Kind("anything")


class Clock:
    """A time that passes only by waiting."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(tmp_path, clock):
    manners = Manners(timeout_s=2, per_second=100)
    with Client(tmp_path / "cache", manners, clock=clock, sleep=clock.sleep) as one:
        yield one


def jpeg(archive, ra=10.0):
    return f"{archive.url}/getjpeg?ra={ra}&dec=1&width=64&height=64"


def cutout(archive, ra=10.0):
    return f"{archive.url}/cutout.fits?ra={ra}&dec=1&size=16&pixscale=0.262&bands=grz"


def test_an_answer_is_kept(archive, client):
    first = client.get(jpeg(archive), JPEG)
    assert first.startswith(b"\xff\xd8\xff")
    assert client.get(jpeg(archive), JPEG) == first
    assert len(archive.asked) == 1
    assert all(agent.startswith("Skysift/") for agent in archive.agents)
    client.forget(jpeg(archive))
    assert client.get(jpeg(archive), JPEG) == first
    assert len(archive.asked) == 2


@pytest.mark.parametrize(
    "trouble", ["500", "503", "429", "408", "cut", "html", "empty", "cut silently"]
)
def test_what_passes_is_asked_again(archive, client, clock, trouble):
    archive.plan["/cutout.fits"] = [trouble] * 3
    assert client.get(cutout(archive), FITS).startswith(b"SIMPLE")
    assert len(archive.asked) == 4
    waits = [wait for wait in clock.waits if wait > 0.02]
    assert len(waits) == 3
    for wait, whole in zip(waits, (1, 2, 4), strict=True):
        assert whole / 2 <= wait <= whole


def test_slowness_passes_too(archive, client):
    archive.plan["/getjpeg"] = ["slow"]
    assert client.get(jpeg(archive), JPEG)
    assert len(archive.asked) == 2


def test_what_never_passes_turns_one_position_away_and_is_not_kept(archive, client):
    archive.always["ra=10.0"] = "500"
    for n in (1, 2):
        with pytest.raises(Unavailable, match=r"says 500: «Nothing there» \(asked 6 times\)") as e:
            client.get(jpeg(archive), JPEG)
        assert not e.value.lasting
        assert len(archive.asked) == 6 * n + (n - 1)
        assert client.get(jpeg(archive, 20.0 + n), JPEG)
    archive.always.clear()
    assert client.get(jpeg(archive), JPEG)


@pytest.mark.parametrize("trouble", ["404", "410", "nothing", "huge"])
def test_what_lasts_is_asked_once(archive, client, tmp_path, trouble):
    archive.always["getjpeg"] = trouble
    with pytest.raises(Unavailable) as first:
        client.get(jpeg(archive), JPEG)
    with (
        Client(tmp_path / "cache") as other,
        pytest.raises(Unavailable, match=r"nothing there|too large") as second,
    ):
        other.get(jpeg(archive), JPEG)
    assert str(second.value) == str(first.value)
    assert first.value.lasting
    assert second.value.lasting
    assert len(archive.asked) == 1


@pytest.mark.parametrize(
    ("trouble", "words", "n"),
    [
        ("json400", "refuses .400: «Bad HiPS: no such survey»", 1),
        ("403", "refuses .403", 1),
        ("loop", "in circles", 6),
        ("ftp", "not on the web", 1),
        ("299", "odd answer .299", 1),
    ],
)
def test_a_refusal_is_neither_repeated_nor_kept(archive, client, trouble, words, n):
    archive.always["getjpeg"] = trouble
    with pytest.raises(Unavailable, match=words):
        client.get(jpeg(archive), JPEG)
    assert len(archive.asked) == n
    archive.always.clear()
    assert client.get(jpeg(archive), JPEG)


def test_another_type_is_told_in_its_own_words(archive, client):
    archive.always["getjpeg"] = "html"
    with pytest.raises(Unavailable, match="else than a JPEG picture: «Out to lunch & back soon»"):
        client.get(jpeg(archive), JPEG)


def test_redirects_are_followed(archive, client):
    archive.plan["getjpeg"] = ["moved"]
    assert client.get(jpeg(archive), JPEG)
    assert archive.asked[1] == archive.asked[0] + "&moved=1"


@pytest.mark.parametrize(("said", "low", "high"), [("7", 7, 7.1), ("date", 0.9, 2.1)])
def test_retry_after_is_honoured(archive, client, clock, said, low, high):
    archive.plan["getjpeg"] = [f"429 {said}"]
    assert client.get(jpeg(archive), JPEG)
    assert low <= sum(clock.waits) <= high


def test_retry_after_is_read_and_capped():
    assert retry_after("120", 0.0) == 120.0
    assert retry_after("1e9", 0.0) == 300.0
    assert retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 40.0) == 60.0
    assert retry_after("Fri, 01 Jan 2100 00:00:00 GMT", 0.0) == 300.0
    for nothing in (None, "", "-5", "nan", "soon", "Thu, 01 Jan 1970 00:00:01 GMT"):
        assert retry_after(nothing, 40.0) == 0.0


def test_a_service_that_is_down_stops_the_run(archive, tmp_path, clock):
    archive.always["/"] = "503"
    manners = Manners(per_second=100, give_up_after=20)
    with Client(tmp_path, manners, clock=clock, sleep=clock.sleep) as client:

        def ask(number):
            try:
                client.get(jpeg(archive, number), JPEG)
            except Exception as error:
                return error

        with ThreadPoolExecutor(4) as pool:
            errors = list(pool.map(ask, range(64)))
    assert any(isinstance(error, NotReady) for error in errors)
    # Up to four were under way when the 20th failure came; nobody else asks any more.
    assert 20 <= len(archive.asked) <= 24
    told = next(str(error) for error in errors if isinstance(error, NotReady))
    assert "run the same command again" in told
    assert told.count(". ") == 0
    archive.always.clear()
    with Client(tmp_path, manners) as client:
        assert client.get(jpeg(archive), JPEG)


def test_refusals_of_everything_stop_the_run_too(archive, tmp_path, clock):
    archive.always["/"] = "403"
    manners = Manners(per_second=100, give_up_after=5)
    with Client(tmp_path, manners, clock=clock, sleep=clock.sleep) as client:
        for number in range(5):
            with pytest.raises(Unavailable):
                client.get(jpeg(archive, number), JPEG)
        with pytest.raises(NotReady, match="403"):
            client.get(jpeg(archive, 6), JPEG)
    assert len(archive.asked) == 5


def test_positions_without_data_do_not_stop_the_run(archive, tmp_path, clock):
    archive.always["/"] = "404"
    manners = Manners(per_second=100, give_up_after=5)
    with Client(tmp_path, manners, clock=clock, sleep=clock.sleep) as client:
        for number in range(12):
            with pytest.raises(Unavailable):
                client.get(jpeg(archive, number), JPEG)


def test_nobody_there(tmp_path, clock):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x"
        with (
            Client(tmp_path, clock=clock, sleep=clock.sleep) as client,
            pytest.raises(NotReady, match=r"127.0.0.1 cannot be reached, and 6 questions"),
        ):
            client.get(url, ANY)


def test_never_more_at_once_than_agreed(archive, tmp_path):
    archive.delay_s = 0.05
    manners = Manners(concurrent=3, per_second=100)
    with Client(tmp_path, manners) as client, ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: client.get(jpeg(archive, number), JPEG), range(24)))
    assert len(archive.asked) == 24
    assert archive.most_open == 3


def test_questions_begin_a_fixed_time_apart(clock):
    pace = Pace(5, clock, clock.sleep)
    begun = []
    for _ in range(11):
        pace.take()
        begun.append(clock.now)
        clock.now += 0.05  # the answer takes a while
    assert begun[-1] - begun[0] == pytest.approx(2.0)
    clock.now += 60  # silence is not saved up
    pace.take()
    pace.take()
    assert clock.now - begun[-1] == pytest.approx(60.05 + 0.2)
    pace.pause(30)
    pace.pause(1)
    before = clock.now
    pace.take()
    assert clock.now - before == pytest.approx(30)


def test_stop_ends_waits_at_once(archive, tmp_path):
    archive.always["getjpeg"] = "429 200"
    client = Client(tmp_path)
    timer = threading.Timer(0.2, client.stop)
    timer.start()
    started = time.monotonic()
    with client, pytest.raises(Cancelled):
        client.get(jpeg(archive), JPEG)
    timer.join()
    assert time.monotonic() - started < 3
    with client, pytest.raises(Cancelled):
        client.get(jpeg(archive, 3.0), JPEG)


def test_damaged_answers_in_the_cache_are_asked_for_again(archive, client, tmp_path):
    whole = client.get(jpeg(archive), JPEG)
    (path,) = (tmp_path / "cache").rglob("*.answer")
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[-1] ^= 1
    for bad in (b"", content[:-1], content[:40], bytes(damaged), content + b"x", b"\0" * 500):
        path.write_bytes(bad)
        before = len(archive.asked)
        assert client.get(jpeg(archive), JPEG) == whole
        assert len(archive.asked) == before + 1
        assert path.read_bytes() == content
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_a_full_or_closed_disk_is_one_sentence(archive, client, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module.os, "replace", full)
    with pytest.raises(StorageFull, match="is full"):
        client.get(jpeg(archive), JPEG)

    def closed(*_args):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(cache_module.os, "replace", closed)
    with pytest.raises(BadInput, match="Read-only"):
        client.get(jpeg(archive), JPEG)


def test_the_cache_folder_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_module.default_cache() == tmp_path / "skysift" / "downloads"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(cache_module.default_cache()) == "/home/somebody/.cache/skysift/downloads"


@pytest.mark.parametrize(
    "url",
    ["ftp://x/y", "file:///etc/passwd", "http://", "http://me:secret@x/", "x", "http://a b/", ""],
)
def test_addresses_that_are_not_of_the_web(client, url):
    with pytest.raises(BadInput, match="begins with https://"):
        client.get(url, ANY)


def test_manners_are_checked():
    assert manners_from({"concurrent": "2", "per_second": "0.5", "cache": "x"}) == Manners(
        concurrent=2, per_second=0.5
    )
    for name, value in (("concurrent", "17"), ("per_second", "nan"), ("retries", "x")):
        with pytest.raises(BadInput, match=name):
            manners_from({name: value})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><body><h1>No</h1>\n<p>way</p>", "No way"),
        (b"<?xml version='1.0'?><e><msg>Bad &lt;ra&gt;</msg></e>", "Bad <ra>"),
        (b'{"title": "A", "description": "b", "n": 3}', "A: b"),
        (b'{"broken', '{"broken'),
        (b"[1,2]", "[1,2]"),
        (b"\xff\xd8\x00\x01", ""),
        (b"\xff\xfe\xfd\xfc", ""),
        (b"", ""),
        (b"word " * 100, "word " * 24 + "..."),
    ],
)
def test_first_words(body, words):
    assert first_words(body) == words


def test_an_answer_that_drips_does_not_last_for_ever(archive, tmp_path):
    archive.always["getjpeg"] = "drip"
    manners = Manners(per_second=100, timeout_s=0.4, retries=0)
    with (
        Client(tmp_path, manners) as client,
        pytest.raises(Unavailable, match="was not done after 4 s"),
    ):
        client.get(jpeg(archive), JPEG)
