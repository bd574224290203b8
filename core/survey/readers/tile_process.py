"""Decompresses FITS tiles in a process of its own, for codecs that damaged bytes can bring down.

HCOMPRESS and PLIO write past their memory when a tile does not hold what its header says. The
process is started when the first such image is met, kept for the next ones, and replaced when it
has died.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import selectors
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from core.survey.readers.unreadable import Unreadable

UNSAFE = frozenset(("HCOMPRESS_1", "PLIO_1"))

_TIMEOUT_S = 120.0
_QUESTION = struct.Struct("<qqqq")
"""HDU, first and last plane (-1: all), bytes of the file that follow."""

_ANSWER = struct.Struct("<?q")
_PROGRAM = Path(__file__).with_name("_tile_program.py")

_lock = threading.Lock()
_child: tuple[int, subprocess.Popen[bytes]] | None = None
"""With the process that started it: after a fork the pipes are not ours."""


def decompress_apart(content: bytes, hdu: int, planes: slice | None) -> np.ndarray:
    """The pixels of a compressed HDU of a file's bytes, or some of its planes.

    Raises
    ------
    Unreadable
        The decoder complains, dies or finds no end.
    """
    first, last = (planes.start, planes.stop) if planes else (-1, -1)
    with _lock:
        child = _running()
        assert child.stdin is not None
        try:
            child.stdin.write(_QUESTION.pack(hdu, first, last, len(content)))
            child.stdin.write(content)
            child.stdin.flush()
            good, n_bytes = _ANSWER.unpack(_received(child, _ANSWER.size))
            answer = _received(child, n_bytes)
        except (OSError, EOFError):
            _stop()
            raise Unreadable("cannot be decompressed (its tiles are damaged)") from None
        except BaseException:
            _stop()  # an answer half read would be taken for the next one's
            raise
        if not good:
            _stop()  # what it wrote past its memory may show in the next image
    if not good:
        raise Unreadable(f"cannot be decompressed ({answer.decode(errors='replace')})")
    found: np.ndarray = np.load(io.BytesIO(answer), allow_pickle=False)
    return found


def _running() -> subprocess.Popen[bytes]:
    global _child
    if _child is not None and (_child[0] != os.getpid() or _child[1].poll() is not None):
        _stop()
    if _child is None:
        child = subprocess.Popen(
            [sys.executable, "-I", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        _child = os.getpid(), child
    return _child[1]


@atexit.register
def _stop() -> None:
    global _child
    if _child is None:
        return
    owner, child = _child
    _child = None
    if owner == os.getpid():
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()


def _received(child: subprocess.Popen[bytes], n_bytes: int) -> bytes:
    assert child.stdout is not None
    handle, parts = child.stdout.fileno(), []
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        while n_bytes:
            # Damaged tiles can send the decoder round in circles.
            if not selector.select(_TIMEOUT_S):
                raise EOFError
            part = os.read(handle, min(n_bytes, 2**20))
            if not part:
                raise EOFError
            parts.append(part)
            n_bytes -= len(part)
    return b"".join(parts)
