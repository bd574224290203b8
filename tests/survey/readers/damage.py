"""Hypothesis strategies that damage the bytes of a good file, as disks and downloads do."""

from __future__ import annotations

from hypothesis import strategies as st


def damaged(good: bytes, most_changes: int = 5) -> st.SearchStrategy[bytes]:
    """`good` with some bytes changed, a stretch blanked, doubled or taken out, or cut short.

    The first two kilobytes are hit as often as all the rest: headers do the most harm.
    """

    @st.composite
    def draw_damaged(draw: st.DrawFn) -> bytes:
        content = bytearray(good)
        for _ in range(draw(st.integers(1, most_changes))):
            if not content:
                break
            end = len(content) if draw(st.booleans()) else min(2048, len(content))
            place = draw(st.integers(0, end - 1))
            kind = draw(st.sampled_from(["byte", "byte", "byte", "blank", "twice", "out", "cut"]))
            length = draw(st.integers(1, 200))
            if kind == "byte":
                content[place] = draw(st.integers(0, 255))
            elif kind == "blank":
                stretch = content[place : place + length]
                content[place : place + length] = bytes(len(stretch))
            elif kind == "twice":
                content[place:place] = content[place : place + length]
            elif kind == "out":
                del content[place : place + length]
            else:
                del content[place:]
        return bytes(content)

    return draw_damaged()


def cut_short(good: bytes) -> st.SearchStrategy[bytes]:
    """A beginning of `good`, at least one byte shorter."""
    return st.integers(0, len(good) - 1).map(lambda end: good[:end])


def nonsense(magic: bytes = b"", most: int = 4096) -> st.SearchStrategy[bytes]:
    """Anything at all behind the bytes by which a format is known."""
    return st.binary(max_size=most).map(lambda rest: magic + rest)
