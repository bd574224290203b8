"""Looks at data that are to be imported, in a process of its own: damaged files may take any
time and any memory, and the server must not go down with them.

`python -m pages._shared.data_previewing` reads {"source", "options", "workspace"} as JSON from its
standard input and writes what it found, or {"error": sentence}, as JSON to its standard output.
"""

from __future__ import annotations

import base64
import json
import math
import resource
import sys
from pathlib import Path
from typing import Any

from core.errors import SkysiftError

N_OBJECTS = 12
PICTURE_PX = 192
MAX_COLUMNS = 60
MAX_REJECTS = 50
MAX_TEXT = 200
SPECTRUM_POINTS = 240
MEMORY_BYTES = 6 * 1024**3


def main() -> int:
    """Answer one question; 0 also where the answer is a sentence."""
    limit = min(MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1] % 2**63 or MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    said = json.loads(sys.stdin.read())
    # Libraries print warnings as they like: only the answer may go to the real output.
    answer_to, sys.stdout = sys.stdout, sys.stderr
    try:
        answer = preview_of(said["source"], said["options"], said["workspace"])
    except SkysiftError as error:
        answer = {"error": in_a_preview(str(error))}
    except MemoryError:
        answer = {"error": "Looking at these data takes more memory than a preview may have."}
    answer_to.write(json.dumps(answer))
    answer_to.flush()
    return 0


def in_a_preview(sentence: str) -> str:
    """What a job advises when a service is down, as a preview, which keeps nothing, has to."""
    happened, _, advice = sentence.rpartition("; ")
    if "run the same command again" not in advice:
        return sentence
    return f"{happened}; try the preview again later."


def preview_of(source: str, options: dict[str, Any], workspace: str) -> dict[str, Any]:
    """The first objects of a source and what was guessed about it, as JSON can hold it."""
    from core.survey.options import ImportOptions
    from core.survey.previewing import preview
    from core.survey.previewing_words import settings_words
    from core.workspace import open_workspace

    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in options.items()
    }
    there = open_workspace(workspace, create=False)
    found = preview(Path(source), ImportOptions(**settings), n=N_OBJECTS, workspace=there)
    layout, batch = found.layout, found.batch
    return {
        "reader": found.reader,
        "description": found.description,
        "n_entries": int(found.n_entries),
        "notes": [str(note) for note in found.notes],
        "settings": [_text(line) for line in settings_words(found.settings)],
        "bands": list(layout.bands),
        "size_px": layout.cutout_size_px,
        "dtype": layout.dtype,
        "pixel_scale": layout.pixel_scale_arcsec,
        "origin": layout.origin,
        "licence": layout.licence,
        "grid": None
        if layout.grid is None
        else [float(layout.grid.wavelength[0]), float(layout.grid.wavelength[-1]), layout.grid.n],
        "units": {name: one.unit for name, one in layout.columns.items() if one.unit},
        "objects": _objects(batch, layout),
        "rejects": [
            [_text(one.source), _text(one.member), _text(one.reason)]
            for one in batch.rejects[:MAX_REJECTS]
        ],
        "tally": {str(words): int(n) for words, n in batch.tally.items()},
    }


def _objects(batch: Any, layout: Any) -> list[dict[str, Any]]:
    n = min(N_OBJECTS, len(batch.object_ids))
    images = [None] * n if batch.images is None else list(batch.images[:n])
    spectra = [None] * n if batch.spectra is None else list(batch.spectra[:n])
    pictures = _pictures(images, layout)
    return [
        {
            "object_id": _text(batch.object_ids[place]),
            "columns": {
                str(name): _cell(value)
                for name, value in list(batch.columns[place].items())[:MAX_COLUMNS]
            },
            "picture": pictures[place],
            "spectrum": _spectrum(spectra[place]),
        }
        for place in range(n)
    ]


def _pictures(images: list[Any], layout: Any) -> list[str]:
    """PNG files in base64, drawn with limits read off these few objects; "" for none."""
    from core.display import render_png
    from core.survey.limits import LimitsSample

    class Limits:
        band_low: tuple[float, ...]
        band_high: tuple[float, ...]
        band_sigma: tuple[float, ...]

    sample = LimitsSample()
    for row, image in enumerate(images):
        if image is not None:
            sample.offer(row, image)
    limits = Limits()
    found = sample.limits(len(layout.bands), layout.dtype)
    limits.band_low, limits.band_high, limits.band_sigma = found.low, found.high, found.sigma
    return [
        ""
        if image is None
        else base64.b64encode(render_png(image, limits, PICTURE_PX)).decode("ascii")
        for image in images
    ]


def _spectrum(spectrum: Any) -> list[float | None]:
    """Fluxes thinned to what a small figure can show; None where masked."""
    if spectrum is None:
        return []
    from pages._shared.data_spectra import thinned

    return thinned(spectrum.flux, spectrum.mask, SPECTRUM_POINTS)


def _cell(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value if value is None or isinstance(value, int | float | bool) else _text(value)


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "\N{HORIZONTAL ELLIPSIS}"


if __name__ == "__main__":
    sys.exit(main())
