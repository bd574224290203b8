"""The picture cache stays within its bytes and gives back what it was given."""

from __future__ import annotations

from pages._server.pictures import PictureCache


def test_a_picture_is_rendered_once():
    cache, rendered = PictureCache(100), []

    def render() -> bytes:
        rendered.append(1)
        return b"x" * 10

    assert cache.get("a", render) == cache.get("a", render) == b"x" * 10
    assert len(rendered) == 1


def test_the_least_recently_used_goes_first():
    cache = PictureCache(30)
    for name in "abc":
        cache.get(name, lambda name=name: name.encode() * 10)  # type: ignore[misc]
    cache.get("a", lambda: b"again")
    cache.get("d", lambda: b"d" * 10)
    assert cache.get("a", lambda: b"again") == b"a" * 10
    assert cache.get("b", lambda: b"again") == b"again"
    assert cache.used_bytes <= 30


def test_what_is_larger_than_the_cache_is_not_kept():
    cache = PictureCache(5)
    assert cache.get("a", lambda: b"x" * 6) == b"x" * 6
    assert cache.used_bytes == 0
