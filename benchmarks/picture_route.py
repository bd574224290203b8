"""Rendered pictures a second through the real route, beside bare astropy + Pillow in a loop.

The route answers over the whole app (identity, ASGI, cache), asked one at a time; the bare loop
reads the same pixels, does the same stretch and writes the same size of PNG, and nothing else.
Cold: each object for the first time. Cached: the same again.

python -m benchmarks.picture_route
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from urllib.parse import urlencode

import httpx
import numpy as np
from astropy.visualization import AsinhStretch, ZScaleInterval, make_lupton_rgb
from PIL import Image
from starlette.applications import Starlette

from benchmarks.common import arguments, demo_workspace, report
from core.survey import Survey
from core.vocabulary import Role
from pages._server.identity import Identity, IdentityMiddleware, install_resolver
from pages._server.routes import make_routes
from pages._server.services import Services

TOKEN = "a-token-of-the-benchmark"
LOOKS = {
    "survey colours (default)": {},
    "one band, asinh, zscale": {"colour": "band", "stretch": "asinh", "limits": "zscale"},
    "Lupton colours": {"colour": "lupton"},
    "Sersic residual": {"residual": "sersic"},
}


async def rates(services: Services, survey: Survey, ids: list[str], size: int) -> dict[str, list]:
    """Pictures a second of each look: [cold, cached]."""
    app = IdentityMiddleware(
        Starlette(routes=make_routes(services)), token=TOKEN, identity=services.owner, port=8501
    )
    shared = {"survey": survey.name, "version": survey.version, "size": size}
    found = {}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8501"
    ) as client:
        await client.get(f"/?token={TOKEN}")
        for name, look in LOOKS.items():
            measured = []
            for _ in ("cold", "cached"):
                began = time.perf_counter()
                for object_id in ids:
                    query = urlencode({**shared, **look, "object_id": object_id})
                    answer = await client.get(f"/api/image?{query}")
                    answer.raise_for_status()
                measured.append(len(ids) / (time.perf_counter() - began))
            found[name] = measured
    return found


def bare_rates(survey: Survey, rows: np.ndarray, size: int) -> dict[str, float]:
    """Pictures a second of astropy and Pillow alone, for the looks that they have."""
    band = len(survey.manifest.bands) // 2
    low, sigma = survey.manifest.band_low, survey.manifest.band_sigma

    def gray(image: np.ndarray) -> np.ndarray:
        plane = image[band].astype(float)
        seen = AsinhStretch(0.1)(ZScaleInterval()(plane))
        return np.rint(255 * seen).astype(np.uint8)

    def lupton(image: np.ndarray) -> np.ndarray:
        planes = [image[min(i, len(image) - 1)].astype(float) - low[0] for i in (2, 1, 0)]
        with np.errstate(all="ignore"):
            return np.asarray(make_lupton_rgb(*planes, stretch=5 * sigma[0], Q=8))

    def rate(draw: Callable[[np.ndarray], np.ndarray]) -> float:
        began = time.perf_counter()
        for row in rows:
            picture = Image.fromarray(draw(survey.image(int(row)))).convert("RGB")
            sized = picture.resize((size, size), Image.Resampling.BICUBIC)
            sized.save(io.BytesIO(), format="PNG", compress_level=1)
        return len(rows) / (time.perf_counter() - began)

    def plain(image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(image, 0, -1))

    eight_bits = survey.manifest.dtype == "uint8" and len(survey.manifest.bands) == 3
    return {
        # Eight-bit colours go through as they are; of floats Lupton's composite is the same work.
        "survey colours (default)": rate(plain if eight_bits else lupton),
        "one band, asinh, zscale": rate(gray),
        "Lupton colours": rate(lupton),
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--survey", default="simulated")
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    workspace = demo_workspace(a.workspace, a.survey)
    survey = Survey.open(workspace, a.survey)
    there = np.flatnonzero(survey.has_image)
    count = min(a.pictures, len(there))
    rows = np.random.default_rng(a.seed).choice(there, count, replace=False)
    ids = [str(survey.object_ids[row]) for row in rows]
    owner = Identity("owner", "owner", Role.OWNER)
    services = Services(workspace, owner, start_processes=False)
    install_resolver(lambda _: owner)
    try:
        bare_rates(survey, rows[:3], a.size)  # imports, and the files in memory
        survey.images(rows)
        bare = bare_rates(survey, rows, a.size)
        ours = asyncio.run(rates(services, survey, ids, a.size))
    finally:
        install_resolver(None)
        services.close()
    table = []
    for name, (cold, cached) in ours.items():
        alone = bare.get(name)
        ratio = cold / alone if alone else ""
        table.append([name, cold, cached, alone if alone else "", ratio])
    columns = ["look", "cold (1/s)", "cached (1/s)", "bare astropy + Pillow (1/s)", "cold / bare"]
    settings = {"survey": a.survey, "pictures": count, "size": a.size, "seed": a.seed}
    report("picture_route", columns, table, settings)


if __name__ == "__main__":
    main()
