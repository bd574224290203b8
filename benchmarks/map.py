"""The map page in a real Chromium: first paint, panning, hover, lasso, memory, bytes.

python -m benchmarks.map --sizes 10000,100000,1000000

Beside it, in the same run, Streamlit's own chart of as many points (Plotly's scattergl), which is
given up after --patience seconds. Chromium draws by the processor here (SwiftShader): a graphics
card is faster in both.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from benchmarks.browser import FLAGS, TOKEN, app_command, free_port, fresh_task, serving
from benchmarks.common import arguments, report
from core.errors import NotReady
from core.representation import DEFAULT_ENCODER
from core.survey import Batch, RunFolder, Survey, SurveyWriter, list_surveys
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace

PLAIN = "plain_plotly_map.py"
SIDE_PX = 16
BATCH = 8192
GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
COLUMNS = (
    *("map", "points", "first paint s", "frame ms", "frame ms, worst tenth"),
    *("hover to picture ms", "lasso to answer s", "memory MB", "received MB"),
)
VIEWPORT = ViewportSize(width=1280, height=1100)
"""The whole map is in it: a pointer beyond its end would rest on nothing."""
_FRAMES = """() => { window.frames_ = []; let before = performance.now();
  const tick = (now) => { window.frames_.push(now - before); before = now;
    window.ticking = requestAnimationFrame(tick); };
  window.ticking = requestAnimationFrame(tick); }"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--patience", type=float, default=90.0)
    a = parser.parse_args()
    workspace = open_workspace(a.workspace)
    rows: list[list[Any]] = []
    for size in (int(one) for one in a.sizes.split(",")):
        survey = made(workspace, size)
        with chromium() as browser:
            rows.append(["Skysift", size, *ours(browser, workspace, survey)])
        report("map", COLUMNS, rows, {"gl": "SwiftShader", "picture_px": SIDE_PX})
        with chromium() as browser:
            rows.append(["Plotly scattergl", size, *plotly(browser, survey, a.patience)])
        report("map", COLUMNS, rows, {"gl": "SwiftShader", "picture_px": SIDE_PX})


def made(workspace: Workspace, size: int) -> Survey:
    """A survey of clumps, embedded and mapped; made only if it is not there."""
    name = f"map-{size}"
    if name in list_surveys(workspace):
        return Survey.open(workspace, name)
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 255, (256, 3, SIDE_PX, SIDE_PX), dtype=np.uint8)
    with SurveyWriter(
        workspace,
        name,
        bands=("R", "G", "B"),
        cutout_size_px=SIDE_PX,
        dtype="uint8",
        origin="benchmarks/map.py",
        licence="none needed",
    ) as writer:
        for start in range(0, size, BATCH):
            part = np.arange(start, min(start + BATCH, size))
            columns: list[dict[str, int | float | str | bool | None]]
            columns = [{"mag": float(one % 97) / 10} for one in part]
            writer.append(Batch([f"obj{one:07d}" for one in part], patterns[part % 256], columns))
        survey = writer.commit()
    middles, widths = rng.normal(0, 4, (40, 2)), rng.uniform(0.1, 0.9, 40)
    clump = rng.integers(0, 40, size)
    places = middles[clump] + rng.normal(size=(size, 2)) * widths[clump, None]
    config = {"encoder": DEFAULT_ENCODER, "survey_version": survey.version}
    with RunFolder(survey, JobKind.EMBED, config) as run:
        np.save(run.path / "embedding.npy", places.astype(np.float32))
        np.save(run.path / "mask.npy", np.ones(size, bool))
    config = {"projection": "umap", "embedding_run": run.run_id}
    with RunFolder(survey, JobKind.MAP, config) as drawn:
        np.save(drawn.path / "map.npy", places.astype(np.float32))
    return survey


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise NotReady("This benchmark needs Chromium; install it (apt install chromium).")
    flags = [*(one for one in FLAGS if one != "--disable-gpu"), *GL]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


def ours(browser: Browser, workspace: Workspace, survey: Survey) -> list[Any]:
    task, port = fresh_task(workspace, survey.name), free_port()
    origin = f"http://127.0.0.1:{port}"
    command = app_command(str(workspace.root), port, "--no-workers")
    with serving(command, "Open http"):
        page = browser.new_page(viewport=VIEWPORT)
        page.goto(f"{origin}/favicon.png?token={TOKEN}")
        page.goto(f"{origin}/runs?task={task}")  # the server has imported what it needs
        page.get_by_role("heading", name="Runs").wait_for(timeout=120_000)
        received = counted(page)
        began = time.perf_counter()
        page.goto(f"{origin}/map?task={task}")
        page.locator(".skymap[data-ready]").wait_for(timeout=300_000)
        paint = time.perf_counter() - began
        box = page.locator(".plot").bounding_box()
        assert box is not None
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        frames = panned(page, middle)
        memory = resident_mb()
        hover = hovered(page, box)
        page.locator(".plot").focus()
        page.keyboard.press("0")
        page.wait_for_timeout(1500)
        page.keyboard.press("l")
        lasso = lassoed(page, middle, ".skymap[data-selected]")
        return [paint, *frames, hover, lasso, memory, received() / 1e6]


def plotly(browser: Browser, survey: Survey, patience_s: float) -> list[Any]:
    (run,) = [one for one in survey.folder.glob("runs/map-*") if one.is_dir()][-1:]
    port = free_port()
    os.environ["SKYSIFT_BENCH_MAP"] = str(run / "map.npy")
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(Path(__file__).parent / PLAIN)),
        *("--server.port", str(port), "--server.headless", "true"),
        *("--server.fileWatcherType", "none", "--browser.gatherUsageStats", "false"),
    ]
    results: list[Any] = ["none"] * 7
    for drag in ("pan", "lasso"):
        os.environ["SKYSIFT_BENCH_DRAG"] = drag
        with serving(command, "URL"):
            page = browser.new_page(viewport=VIEWPORT)
            received = counted(page)
            began = time.perf_counter()
            try:
                page.goto(f"http://127.0.0.1:{port}/")
                page.wait_for_function(
                    "() => document.querySelector('.js-plotly-plot .gl-canvas')?.width > 300"
                    " && document.body.innerText.includes('selected')",
                    timeout=patience_s * 1000,
                )
                page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")
            except PlaywrightError:
                results[0] = f"none in {patience_s:g}"
                return results
            paint = time.perf_counter() - began
            plot = page.locator(".js-plotly-plot .nsewdrag").first
            box = plot.bounding_box()
            assert box is not None
            middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            if drag == "pan":
                results[:3] = [paint, *panned(page, middle)]
                results[5:] = [resident_mb(), received() / 1e6]
            else:
                try:
                    results[4] = lassoed(page, middle, "text=/^[1-9][0-9]* selected/", patience_s)
                except PlaywrightError:
                    results[4] = f"none in {patience_s:g}"
            page.close()
    results[3] = "no picture"
    return results


def counted(page: Page) -> Any:
    """Begin to count what the page receives; call it for the bytes so far."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    bytes_: list[int] = []
    session.on("Network.dataReceived", lambda one: bytes_.append(one["dataLength"]))
    session.on(
        "Network.webSocketFrameReceived",
        lambda one: bytes_.append(len(one["response"]["payloadData"])),
    )
    return lambda: sum(bytes_)


def panned(page: Page, middle: tuple[float, float]) -> tuple[float, float]:
    """Median and worst tenth of the milliseconds between frames while the map is dragged."""
    page.mouse.move(*middle)
    page.mouse.down()
    page.evaluate(_FRAMES)
    for step in range(40):
        page.mouse.move(middle[0] + 3 * step, middle[1] + 2 * step)
        page.wait_for_timeout(16)
    gaps = page.evaluate("() => { cancelAnimationFrame(window.ticking); return window.frames_; }")
    page.mouse.up()
    return statistics.median(gaps), float(np.percentile(gaps, 90))


def hovered(page: Page, box: Any) -> float:
    """Median milliseconds from the end of the dwell until the picture is decoded."""
    found = []
    page.evaluate(
        "() => window.skysiftMap.plot.addEventListener('pointermove',"
        " () => { window.moved_ = performance.now(); })"
    )
    for point in range(100, 900, 100):
        left, top = page.evaluate(
            "(i) => { const c = window.skysiftMap.chart;"
            " return c.lens.toScreen(...c.placeOf(i)); }",
            point,
        )
        if not (5 < left < box["width"] - 5 and 5 < top < box["height"] - 5):
            continue
        page.mouse.move(box["x"] + 3, box["y"] + 3)
        page.wait_for_timeout(300)
        page.mouse.move(box["x"] + left, box["y"] + top)
        found.append(
            page.evaluate(
                """async () => { const until = performance.now() + 20000; for (;;) {
                  if (performance.now() > until) throw new Error("no picture in 20 s");
                  const { element } = window.skysiftMap.hover;
                  const img = element.hidden ? null : element.querySelector("img");
                  if (img) { await img.decode(); return performance.now() - window.moved_ - 120; }
                  await new Promise((next) => setTimeout(next, 2));
                } }"""
            )
        )
    return statistics.median(found)


def lassoed(
    page: Page, middle: tuple[float, float], answered: str, patience_s: float = 120
) -> float:
    """Seconds from letting go of a lasso until its answer stands on the page."""
    page.mouse.move(middle[0] + 150, middle[1])
    page.mouse.down()
    for step in range(1, 40):
        turn = step / 40 * 2 * np.pi
        page.mouse.move(middle[0] + 150 * np.cos(turn), middle[1] + 110 * np.sin(turn))
    page.mouse.up()
    began = time.perf_counter()
    page.locator(answered).first.wait_for(timeout=patience_s * 1000)
    return time.perf_counter() - began


def resident_mb() -> float:
    """Memory of the browser's processes that hold the page and its graphics."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if "--type=renderer" in words or "--type=gpu-process" in words:
                total += process.memory_info().rss
    return total / 2**20


if __name__ == "__main__":
    main()
