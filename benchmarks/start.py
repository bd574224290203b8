"""From the start of `app.py` to the first galaxy on screen: a fresh workspace, then again.

python -m benchmarks.start
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.browser import TOKEN, app_command, chromium, first_picture, free_port, serving
from benchmarks.common import arguments, report


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="second starts")
    a = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        workspace = str(Path(folder) / "ws")
        for number in range(1 + a.repeats):
            port = free_port()
            context = browser.new_context()
            began = time.perf_counter()
            with serving(app_command(workspace, port, "--demo", "hubble"), "Open http"):
                served = time.perf_counter() - began
                page = context.new_page()
                first_picture(page, f"http://127.0.0.1:{port}/?token={TOKEN}")
                shown = time.perf_counter() - began
            context.close()
            name = "first (survey made and embedded)" if number == 0 else f"second ({number})"
            rows.append([name, served, shown])
    report("start", ["start", "address printed (s)", "first object shown (s)"], rows, {})


if __name__ == "__main__":
    main()
