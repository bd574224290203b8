"""What an import costs: objects a second beside a bare loop, memory, one object read, store size.

Each bare loop decodes the same files by the same library in one process and keeps nothing. The
files are made from seed 0: galaxies of 128 x 128 pixels (64 for FITS) on noise.

python -m benchmarks.import_speed             objects a second of four kinds, store sizes
python -m benchmarks.import_speed --memory    also memory at 10,000 and 200,000 objects, and
                                              one object read of 200,000
python -m benchmarks.import_speed --killed    also 20,000 files, killed five times
"""

from __future__ import annotations

import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.common import arguments, report
from core.survey import ImportOptions, Survey, import_survey
from core.survey.interrupted import interrupted
from core.workspace import Workspace, open_workspace

N = {"jpeg": 6000, "fits": 4000, "hdf5": 12000, "mosaic": 6000}
REPEATS = 3


def galaxies(n: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """(n, side, side, 3) uint8."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    shapes = [
        170 * np.exp(-np.hypot(x, y * rng.uniform(1, 2)) / rng.uniform(3, 12)) for _ in range(64)
    ]
    light = np.stack([shapes[number % 64] for number in range(n)])[..., None]
    noisy = light * rng.uniform(0.5, 1, (n, 1, 1, 3)) + rng.normal(18, 5, (n, side, side, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def make_jpegs(folder: Path, n: int) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for start in range(0, n, 500):
        (folder / f"{start // 2000:03d}").mkdir(parents=True, exist_ok=True)
        for number, pixels in enumerate(galaxies(min(500, n - start), 128, rng), start):
            path = folder / f"{start // 2000:03d}" / f"obj_{number:06d}.jpg"
            Image.fromarray(pixels).save(path, quality=90)


def make_fits(folder: Path, n: int) -> None:
    from astropy.io import fits

    rng = np.random.default_rng(0)
    folder.mkdir()
    for start in range(0, n, 500):
        for number, pixels in enumerate(galaxies(min(500, n - start), 64, rng), start):
            header = fits.Header({"CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 32.5, "CRPIX2": 32.5})
            header.update(CD1_1=-1e-4, CD2_2=1e-4, CTYPE1="RA---TAN", CTYPE2="DEC--TAN")
            plane = pixels[..., 1].astype(np.float32)
            fits.PrimaryHDU(plane, header).writeto(folder / f"obj_{number:06d}.fits")


def make_hdf5(path: Path, n: int) -> None:
    import h5py

    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        images = file.create_dataset(
            "images", (n, 69, 69, 3), "u1", chunks=(16, 69, 69, 3), compression="gzip"
        )
        for start in range(0, n, 500):
            images[start : start + 500] = galaxies(min(500, n - start), 69, rng)
        file["ans"] = rng.integers(0, 10, n)


def make_mosaic(folder: Path, n: int) -> None:
    from astropy.io import fits
    from astropy.wcs import WCS

    rng = np.random.default_rng(0)
    folder.mkdir()
    side = 6000
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [150.0, 2.0], [side / 2, side / 2]
    wcs.wcs.cdelt = [-0.26 / 3600, 0.26 / 3600]
    pixels = rng.normal(10, 1, (side, side)).astype(np.float32)
    fits.PrimaryHDU(pixels, wcs.to_header()).writeto(folder / "tile.fits")
    x, y = rng.uniform(100, side - 100, (2, n))
    ra, dec = wcs.all_pix2world(x, y, 0)
    lines = [f"obj_{k:06d},{a!r},{d!r}" for k, (a, d) in enumerate(zip(ra, dec, strict=True))]
    (folder / "catalogue.csv").write_text(
        "\n".join(["object_id,ra,dec", *lines]).replace("np.float64(", "").replace(")", "") + "\n"
    )


def bare_jpeg(source: Path) -> int:
    from PIL import Image

    paths = sorted(source.rglob("*.jpg"))
    for path in paths:
        with Image.open(path) as picture:
            np.asarray(picture.convert("RGB"))
    return len(paths)


def bare_fits(source: Path) -> int:
    from astropy.io import fits

    paths = sorted(source.glob("*.fits"))
    for path in paths:
        np.asarray(fits.getdata(path), np.float32)
    return len(paths)


def bare_hdf5(source: Path) -> int:
    import h5py

    with h5py.File(source) as file:
        images = file["images"]
        for row in range(len(images)):
            images[row]
        return len(images)


def bare_mosaic(source: Path) -> int:
    from astropy.coordinates import SkyCoord
    from astropy.io import fits
    from astropy.nddata import Cutout2D
    from astropy.table import Table
    from astropy.wcs import WCS

    table = Table.read(source / "catalogue.csv")
    with fits.open(source / "tile.fits", memmap=True) as hdus:
        wcs = WCS(hdus[0].header)
        places = SkyCoord(table["ra"], table["dec"], unit="deg")
        for place in places:
            Cutout2D(hdus[0].data, place, 64, wcs, "partial", np.nan, copy=True)
    return len(table)


KINDS: dict[str, tuple[str, Callable[[Path, int], None], Callable[[Path], int]]] = {
    "jpeg": ("jpeg", make_jpegs, bare_jpeg),
    "fits": ("fits", make_fits, bare_fits),
    "hdf5": ("galaxies.h5", make_hdf5, bare_hdf5),
    "mosaic": ("mosaic", make_mosaic, bare_mosaic),
}


def options_for(kind: str, source: Path) -> tuple[Path, ImportOptions]:
    if kind == "mosaic":
        catalogue = str(source / "catalogue.csv")
        return source / "tile.fits", ImportOptions(catalogue=catalogue, size_px=64)
    return source, ImportOptions()


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def size_of(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def compared(kind: str, folder: Path, workspace: Workspace) -> dict[str, Any]:
    """One kind: bare loop and import in turn, medians, and the sizes on disk."""
    name, make, bare = KINDS[kind]
    source = folder / name
    make(source, N[kind])
    path, options = options_for(kind, source)
    times: dict[str, list[float]] = {"bare": [], "import": []}
    survey = None
    for number in range(REPEATS):
        times["bare"].append(seconds(lambda: bare(source)))
        began = time.perf_counter()
        survey = import_survey(workspace, path, f"{kind}-{number}", options)
        times["import"].append(time.perf_counter() - began)
        assert len(survey) == N[kind], survey.manifest
    assert survey is not None
    there, here = (statistics.median(times[one]) for one in ("bare", "import"))
    return {
        "kind": kind,
        "objects": N[kind],
        "bare a second": round(N[kind] / there),
        "import a second": round(N[kind] / here),
        "ratio": round(there / here, 2),
        "originals MB": round(size_of(source) / 1e6, 1),
        "survey MB": round(size_of(survey.path) / 1e6, 1),
    }


def importing(
    source: Path, name: str, workspace: Workspace, *more: str
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "core.run", "import", str(source), "--name", name, *more]
    return subprocess.Popen(
        [*command, "--workspace", str(workspace.root)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def peak_mb(process: subprocess.Popen[bytes]) -> float:
    """The largest sum of what a process and its children held of their own (USS), in MB."""
    peak = 0.0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        held = 0
        try:
            for one in (watched, *watched.children(recursive=True)):
                held += one.memory_full_info().uss
        except psutil.Error:
            continue
        peak = max(peak, held / 1e6)
        time.sleep(0.2)
    assert process.returncode == 0
    return peak


def memory(folder: Path, workspace: Workspace) -> list[dict[str, Any]]:
    """Peak memory by number of objects, and single objects read at random from the larger."""
    found = []
    for n in (10_000, 200_000):
        source = folder / f"galaxies-{n}.h5"
        make_hdf5(source, n)
        peak = peak_mb(importing(source, f"many-{n}", workspace))
        survey = Survey.open(workspace, f"many-{n}")
        rows = np.random.default_rng(0).integers(0, n, 500).tolist()
        times = []
        for row in rows:
            began = time.perf_counter()
            survey.image(row)
            times.append(1000 * (time.perf_counter() - began))
        found.append(
            {
                "objects": len(survey),
                "peak MB": round(peak),
                "read one, median ms": round(statistics.median(times), 2),
                "read one, 95 % ms": round(float(np.percentile(times, 95)), 2),
            }
        )
        source.unlink()
    return found


def killed(folder: Path, workspace: Workspace) -> dict[str, Any]:
    """20,000 files, kill -9 five times, beside an unbroken import."""
    source = folder / "many"
    make_jpegs(source, 20_000)
    whole = import_survey(workspace, source, "unbroken", ImportOptions())
    seen: list[int] = []
    while True:
        process = importing(source, "broken", workspace)
        while process.poll() is None:
            done = [one.n_done for one in interrupted(workspace)]
            if len(seen) < 5 and done and done[0] > (seen[-1] if seen else 0):
                seen.append(done[0])
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.05)
        process.wait()
        if process.returncode == 0:
            break
    survey = Survey.open(workspace, "broken")
    return {
        "killed at": seen,
        "objects": len(survey),
        "same content hash": survey.manifest.content_hash == whole.manifest.content_hash,
    }


def told(name: str, rows: list[dict[str, Any]]) -> None:
    report(name, list(rows[0]), [list(row.values()) for row in rows], {"seed": 0})


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--killed", action="store_true")
    a = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="skysift-import-"))
    try:
        workspace = open_workspace(folder / "workspace")
        rows = [compared(kind, folder, workspace) for kind in KINDS]
        told("import_speed", rows)
        if a.memory:
            told("import_memory", memory(folder, workspace))
        if a.killed:
            told("import_killed", [killed(folder, workspace)])
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
