"""The survey `hubble`: the sources of the Hubble eXtreme Deep Field picture.

The picture (872 x 1000 pixels, JPEG) comes with the scikit-image package, so that nothing is
downloaded. It is a colour composite without astrometry: there is no ra and no dec, and `flux` is
the brightness of the picture, not a photometry of the sky.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from PIL import Image

from core.errors import NotFound
from core.measure import Sources, find_sources
from core.progress import Progress, silent
from core.survey.batch import Batch, CatalogueValue
from core.survey.store import Survey
from core.survey.writer import SurveyWriter
from core.workspace import Workspace

NAME = "hubble"
BANDS = ("R", "G", "B")
SIZE_PX = 64
N_BRIGHTEST = 1000
"""Of some 2,000 detections the most significant; the rest are specks of a few pixels."""

ORIGIN = (
    "Hubble eXtreme Deep Field, NASA/ESA, HubbleSite release 2012-37, as the JPEG picture"
    " hubble_deep_field.jpg that scikit-image ships; sources detected and cut out by Skysift."
)
LICENCE = "Public domain (NASA), as scikit-image documents it."


def read_picture() -> np.ndarray:
    """Return the picture (y, x, 3) uint8, red green blue, from the installed scikit-image.

    Raises
    ------
    NotFound
        scikit-image is not installed, or without the file.
    """
    try:
        source = files("skimage.data") / "hubble_deep_field.jpg"
        with source.open("rb") as file, Image.open(file) as picture:
            return np.asarray(picture.convert("RGB"))
    except (ModuleNotFoundError, FileNotFoundError):
        raise NotFound(
            "The picture hubble_deep_field.jpg comes with scikit-image, which is not installed"
            " whole; install it with `pip install scikit-image`."
        ) from None


def build_hubble(workspace: Workspace, *, progress: Progress = silent) -> Survey:
    """Make the survey `hubble`: about 1,000 objects, rows from the top of the picture down."""
    with SurveyWriter(
        workspace,
        NAME,
        bands=BANDS,
        cutout_size_px=SIZE_PX,
        dtype="uint8",
        origin=ORIGIN,
        licence=LICENCE,
    ) as writer:
        progress(0.0, "Reading the Hubble deep field picture.")
        picture = read_picture()
        progress(0.1, "Finding the sources of the Hubble deep field.")
        sources = find_sources(picture.sum(axis=2, dtype=np.float64))
        progress(0.7, f"Cutting out the {N_BRIGHTEST:,} most significant of {len(sources):,}.")
        writer.append(cut_out(picture, sources, N_BRIGHTEST, SIZE_PX))
        survey = writer.commit()
    progress(1.0, f"The survey hubble has {len(survey):,} objects.")
    return survey


def cut_out(picture: np.ndarray, sources: Sources, limit: int, size_px: int) -> Batch:
    """Return the `limit` most significant sources of a picture (y, x, 3) as one batch.

    The source's centre lies within half a pixel of pixel size_px // 2. Where a cutout reaches
    over the edge, it is filled with the median colour of the picture's sky and `edge_padded`
    is true. Of two sources that share a pixel the fainter is left out, as the id comes from
    the place: HDF-x0512-y0333.
    """
    sky = np.median(picture[sources.segments == 0], axis=0).round().astype(picture.dtype)
    height, width, n_bands = picture.shape
    padded = np.empty((height + 2 * size_px, width + 2 * size_px, n_bands), picture.dtype)
    padded[:] = sky
    padded[size_px:-size_px, size_px:-size_px] = picture

    at: dict[tuple[int, int], int] = {}
    for number, (x, y) in enumerate(zip(sources.x, sources.y, strict=True)):
        if len(at) < limit:
            at.setdefault((round(float(y)), round(float(x))), number)
    ids, images = [], []
    columns: list[dict[str, CatalogueValue]] = []
    for (y, x), number in sorted(at.items()):
        first_y, first_x = y - size_px // 2, x - size_px // 2
        rows = slice(first_y + size_px, first_y + 2 * size_px)
        cols = slice(first_x + size_px, first_x + 2 * size_px)
        inside = 0 <= first_y <= height - size_px and 0 <= first_x <= width - size_px
        ids.append(f"HDF-x{x:04d}-y{y:04d}")
        images.append(padded[rows, cols].transpose(2, 0, 1).copy())
        columns.append(
            {
                "x_px": round(float(sources.x[number]), 2),
                "y_px": round(float(sources.y[number]), 2),
                "size_px": round(float(sources.semi_major_px[number]), 2),
                "flux": round(float(sources.flux[number]), 1),
                "ellipticity": round(float(sources.ellipticity[number]), 3),
                "edge_padded": not inside,
            }
        )
    return Batch(ids, np.stack(images), columns)
