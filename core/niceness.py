"""Jobs give way to the server, so that the label page stays quick beside them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

NICENESS = 5


def give_way() -> None:
    """Lower the priority of this process for good."""
    os.nice(NICENESS)
    if os.getsid(0) == os.getpid():
        give_way_as_session(os.getpid())


def give_way_as_session(pid: int) -> None:
    """Lower that of a process and of all in the session that it leads.

    Where Linux shares the processor out between sessions first (autogroup), niceness counts within
    a session only, and the session has its own. A terminal's session is never to be lowered.
    """
    with contextlib.suppress(OSError, AttributeError):  # no such process, system or right
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
        Path(f"/proc/{pid}/autogroup").write_text(str(NICENESS))
