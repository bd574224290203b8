"""The picture cache stays within its bytes; the gate lets only so many draw and wait."""

from __future__ import annotations

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.display import Look, render_look
from core.errors import NotReady
from pages._server.pictures import DrawingGate, PictureCache, Rendered, bytes_to_draw

OVERHEAD = Rendered(b"").size_bytes


def of(n_bytes: int, letter: bytes = b"x") -> Rendered:
    """Something that takes `n_bytes` of a cache."""
    return Rendered(letter * (n_bytes - OVERHEAD))


def test_a_picture_is_rendered_once():
    cache, rendered = PictureCache(10_000), []

    def render() -> Rendered:
        rendered.append(1)
        return of(500)

    assert cache.get("a", render) == cache.get("a", render) == of(500)
    assert len(rendered) == 1


def test_the_least_recently_used_goes_first():
    cache = PictureCache(3000, 3000)
    for name in (b"a", b"b", b"c"):
        cache.get(name, lambda name=name: of(1000, name))  # type: ignore[misc]
    other = of(900, b"!")
    cache.get(b"a", lambda: other)
    cache.get(b"d", lambda: of(1000, b"d"))
    assert cache.get(b"a", lambda: other) == of(1000, b"a")
    assert cache.get(b"b", lambda: other) == other
    assert cache.used_bytes <= 3000


def test_what_is_large_is_handed_out_and_not_kept():
    cache = PictureCache(4000)
    cache.get("small", lambda: of(900))
    assert cache.get("large", lambda: of(1001)) == of(1001)
    assert cache.used_bytes == 900


def test_whoever_asks_meanwhile_shares_the_picture_or_the_error():
    cache, asked = PictureCache(), threading.Barrier(3)
    go = threading.Event()
    calls: list[int] = []

    def ask(fails: bool) -> Rendered:
        def render() -> Rendered:
            calls.append(1)
            go.wait(10)
            if fails:
                raise NotReady("not now")
            return of(500)

        asked.wait(10)
        return cache.get(fails, render)

    for fails in (False, True):
        go.clear()
        with ThreadPoolExecutor(3) as pool:
            futures = [pool.submit(ask, fails) for _ in range(3)]
            while not calls:
                pass
            # All three have passed the barrier; the two others find the work under way, or its
            # result, but never begin it anew while it runs.
            threading.Timer(0.2, go.set).start()
            if fails:
                assert all(isinstance(one.exception(10), NotReady) for one in futures)
            else:
                assert {one.result(10) for one in futures} == {of(500)}
        assert len(calls) == 1
        calls.clear()
    assert cache.get(True, lambda: of(400)) == of(400)  # an error is not kept


def test_only_so_many_draw_at_once_and_the_rest_wait():
    gate = DrawingGate(max_bytes=100, max_running=2, max_waiting=50, patience_s=30)
    lock = threading.Lock()
    now = {"running": 0, "bytes": 0}
    most = {"running": 0, "bytes": 0}

    def draw(n_bytes: int) -> None:
        with gate.room_for(n_bytes):
            with lock:
                now["running"] += 1
                now["bytes"] += min(n_bytes, 100)
                for name in most:
                    most[name] = max(most[name], now[name])
            threading.Event().wait(0.005)
            with lock:
                now["running"] -= 1
                now["bytes"] -= min(n_bytes, 100)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(draw, [10, 60, 60, 1000, 30] * 8))
    assert most["running"] == 2
    assert most["bytes"] <= 100


def test_who_comes_when_it_is_full_is_sent_away_with_a_sentence():
    gate = DrawingGate(max_bytes=100, max_running=1, max_waiting=0)
    with gate.room_for(1), pytest.raises(NotReady, match="ask for this one again"):
        gate.room_for(1).__enter__()
    with gate.room_for(1):  # there is room again
        pass
    impatient = DrawingGate(max_bytes=100, max_running=1, patience_s=0.01)
    with impatient.room_for(1), pytest.raises(NotReady, match="drawing 1 pictures"):
        impatient.room_for(1).__enter__()


@pytest.mark.parametrize(
    "look",
    [
        Look(),
        Look(smooth=1.0),
        Look(colour="lupton"),
        Look(colour="channels", limits="percentile", stretch="histogram"),
        Look(colour="band", stretch="histogram", limits="minmax"),
        Look(residual="symmetric", limits="zscale"),
        Look(residual="sersic", smooth=1.0),
    ],
    ids=lambda look: look.key(),
)
def test_drawing_takes_no_more_memory_than_the_gate_is_told(look):
    y, x = np.mgrid[:300, :300]
    galaxy = 100 * np.exp(-np.hypot(x - 150, y - 150) / 20)
    for n_bands, size in ((1, 64), (5, 64), (1, 512)):
        image = np.random.default_rng(0).normal(galaxy, 1, (n_bands, 300, 300)).astype(np.float32)
        manifest = SimpleNamespace(
            bands=tuple("ugriz"[:n_bands]),
            band_low=(0.0,) * n_bands,
            band_high=(100.0,) * n_bands,
            band_sigma=(1.0,) * n_bands,
            cutout_size_px=300,
        )
        survey: Any = SimpleNamespace(manifest=manifest)
        render_look(image[:, ::10, ::10], manifest, look, 64)  # what is imported at first use
        tracemalloc.start()
        render_look(image, manifest, look, size)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most <= bytes_to_draw(survey, look, size)
