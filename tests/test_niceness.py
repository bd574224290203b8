"""Jobs give way, also where the processor is shared out between sessions first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.niceness import NICENESS

TOLD = (
    "import os; from core.niceness import give_way; give_way();"
    " print(os.nice(0), open('/proc/self/autogroup').read().split()[-1])"
)


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="no sessions' niceness here")
@pytest.mark.parametrize("own_session", [True, False])
def test_a_job_lowers_its_own_session_and_no_other(own_session: bool) -> None:
    command = [sys.executable, "-c", TOLD]
    if not own_session:  # in the session of another process, as in a terminal
        inner = f"import subprocess; subprocess.run({command!r}, check=True)"
        command = [sys.executable, "-c", inner]
    ended = subprocess.run(
        command, start_new_session=True, capture_output=True, text=True, check=True
    )
    nice, session = map(int, ended.stdout.split())
    assert nice >= os.nice(0) + NICENESS
    assert session == (NICENESS if own_session else 0)
