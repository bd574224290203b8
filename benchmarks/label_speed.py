"""From the key press to the next picture on screen, on a survey of a million objects, beside a
page of plain Streamlit buttons.

On screen: two animation frames after the picture changed and was decoded. Warm: the next pictures
are decoded ahead, as they are for a person. Cold: before each press all decoded pictures are
thrown away and the browser's cache is off, so that the picture is rendered, sent and decoded
between the press and the frame.

python -m benchmarks.label_speed
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from benchmarks.big_survey import NAME, big_survey_arguments, make
from benchmarks.browser import (
    TOKEN,
    app_command,
    chromium,
    first_picture,
    free_port,
    fresh_task,
    serving,
)
from benchmarks.common import report
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
THROW_AWAY = "() => window.skysiftLabeller.pictures.clear()"


def times_ms(
    page: Page, count: int, arguments: list[str | None], pause_ms: int, before: str | None = None
) -> list[float]:
    times = []
    for _ in range(count):
        if before:
            page.evaluate(before)
        times.append(float(page.evaluate(NEXT_PICTURE, arguments)))
        page.wait_for_timeout(pause_ms)
    return times


def main() -> None:
    parser = big_survey_arguments(__doc__)
    parser.add_argument("--presses", type=int, default=100)
    parser.add_argument("--pause-ms", type=int, default=150)
    a = parser.parse_args()
    workspace = open_workspace(a.workspace)
    make(workspace, a.objects)
    ours: list[str | None] = [".square img", "2", None]
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        port = free_port()
        with serving(app_command(str(workspace.root), port), "Open http"):
            page = browser.new_page()
            task = fresh_task(workspace, NAME)
            first_picture(page, f"http://127.0.0.1:{port}/?token={TOKEN}&task={task}")
            page.wait_for_timeout(5000)
            warm = times_ms(page, a.presses, ours, a.pause_ms)
            network = page.context.new_cdp_session(page)
            network.send("Network.enable")
            network.send("Network.setCacheDisabled", {"cacheDisabled": True})
            cold = times_ms(page, a.presses, ours, a.pause_ms, THROW_AWAY)
            page.close()
        port = free_port()
        os.environ["SKYSIFT_BENCH_WORKSPACE"] = str(workspace.root)
        os.environ["SKYSIFT_BENCH_SURVEY"] = NAME
        os.environ["SKYSIFT_BENCH_DB"] = str(Path(folder) / "plain.sqlite")
        os.environ["PYTHONPATH"] = os.getcwd()
        command = [sys.executable, "-m", "streamlit", "run", "benchmarks/plain_button_page.py"]
        command += ["--server.port", str(port), "--server.headless", "true"]
        with serving(command, "URL: http"):
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}/")
            page.locator("[data-testid=stImage] img").wait_for(timeout=60_000)
            page.wait_for_timeout(5000)
            find = "[data-testid=stImage] img"
            plain = times_ms(page, a.presses, [find, None, "ordinary"], a.pause_ms)
            page.close()
    rows = []
    base = np.percentile(plain, (50, 95))
    for name, times in (
        ("Skysift, key, pictures decoded ahead", warm),
        ("Skysift, key, nothing kept anywhere", cold),
        ("plain st.button, click", plain),
    ):
        figures = np.percentile(times, (50, 95))
        rows.append([name, *map(float, figures), *map(float, figures / base)])
    columns = ["page", "median (ms)", "95th percentile (ms)", "ratio of medians", "ratio of 95th"]
    settings = {"objects": a.objects, "presses": a.presses, "pause_ms": a.pause_ms}
    report("label_speed", columns, rows, settings)


if __name__ == "__main__":
    main()
