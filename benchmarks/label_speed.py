"""From the key press to the next picture on screen, beside a page of plain Streamlit buttons.

On screen: two animation frames after the picture changed and was decoded.

python -m benchmarks.label_speed
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from benchmarks.browser import TOKEN, app_command, chromium, first_picture, free_port, serving
from benchmarks.common import arguments, demo_workspace, report
from core.run import prepare_demo
from core.workspace import open_workspace

# Resolves with the milliseconds from `act` to the frame that shows another picture.
NEXT_PICTURE = """
async ([find, key, button]) => {
  const image = () => {
    const roots = [document];
    for (const root of roots) {
      const hit = root.querySelector(find);
      if (hit) return hit;
      for (const node of root.querySelectorAll('*')) {
        if (node.shadowRoot) roots.push(node.shadowRoot);
      }
    }
    return null;
  };
  const before = image()?.src;
  const began = performance.now();
  if (key) document.body.dispatchEvent(new KeyboardEvent('keydown',
    {key, code: 'Digit' + key, bubbles: true, composed: true, cancelable: true}));
  else [...document.querySelectorAll('button')].find((b) => b.innerText === button).click();
  for (;;) {
    await new Promise(requestAnimationFrame);
    const now = image();
    if (now && now.src !== before && now.complete && now.naturalWidth) break;
    if (performance.now() - began > 20000) throw new Error('no next picture');
  }
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}
"""


def times_ms(page: Page, count: int, arguments: list[str | None], pause_ms: int) -> list[float]:
    times = []
    for _ in range(count):
        times.append(float(page.evaluate(NEXT_PICTURE, arguments)))
        page.wait_for_timeout(pause_ms)
    return times


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--presses", type=int, default=60)
    parser.add_argument("--pause-ms", type=int, default=150)
    a = parser.parse_args()
    demo_workspace(a.workspace, "hubble")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        fresh = open_workspace(Path(folder) / "ws")
        prepare_demo(fresh, "hubble")
        port = free_port()
        with serving(app_command(str(fresh.root), port), "Open http"):
            page = browser.new_page()
            first_picture(page, f"http://127.0.0.1:{port}/?token={TOKEN}")
            page.wait_for_timeout(3000)
            ours = times_ms(page, a.presses, [".square img", "2", None], a.pause_ms)
            page.close()
        port = free_port()
        os.environ["SKYSIFT_BENCH_WORKSPACE"] = str(fresh.root)
        os.environ["SKYSIFT_BENCH_DB"] = str(Path(folder) / "plain.sqlite")
        os.environ["PYTHONPATH"] = os.getcwd()
        command = [sys.executable, "-m", "streamlit", "run", "benchmarks/plain_button_page.py"]
        command += ["--server.port", str(port), "--server.headless", "true"]
        with serving(command, "URL: http"):
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}/")
            page.locator("[data-testid=stImage] img").wait_for(timeout=60_000)
            page.wait_for_timeout(3000)
            find = "[data-testid=stImage] img"
            plain = times_ms(page, a.presses, [find, None, "ordinary"], a.pause_ms)
            page.close()
    ours_ms, plain_ms = (np.percentile(times, (50, 95)) for times in (ours, plain))
    rows = [
        ["Skysift, key", *map(float, ours_ms)],
        ["plain st.button, click", *map(float, plain_ms)],
        ["ratio", *map(float, ours_ms / plain_ms)],
    ]
    columns = ["page", "median (ms)", "95th percentile (ms)"]
    report("label_speed", columns, rows, {"presses": a.presses, "pause_ms": a.pause_ms})


if __name__ == "__main__":
    main()
