"""What the import form says, as settings of an import and as arguments of its job."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from core.errors import BadInput
from core.survey.options import ImportOptions
from core.workspace import storage_errors
from pages._server.services import services
from pages._shared.data_roots import INCOMING, checked_source, checked_value

__all__ = ["free_name", "job_arguments", "keep_positions", "options_from", "pasted_words"]

MAX_PASTED = 20_000_000
"""Characters: half a million positions; more are better kept in a file."""

_SAYS_NOTHING = frozenset({"images", "cutouts", "stamps", "pictures", "data", "files", "spectra"})
"""Names of folders that say less than the name of the folder above."""

_PLURAL = {" is ": " are ", " has ": " have ", " looks ": " look ", " holds ": " hold "}

T = TypeVar("T")


def options_from(said: Mapping[str, str]) -> ImportOptions:
    """The settings behind the texts of the form; empty ones are left to the reader.

    Raises
    ------
    BadInput
        A text is no number where one is wanted, or a path that may not be read.
    """
    wavelength = _wavelength(said.get("wavelength", ""))
    catalogue, spectra = said.get("catalogue", "").strip(), said.get("spectra", "").strip()
    settings: dict[str, Any] = {
        "reader": said.get("reader") or None,
        "size_px": _parsed("The cutout size", said.get("size_px", ""), int),
        "bands": tuple(one.strip() for one in said.get("bands", "").split(",") if one.strip()),
        "pixel_scale_arcsec": _parsed("The pixel scale", said.get("pixel_scale", ""), float),
        "mixed": said.get("mixed") or "auto",
        **{name: said.get(name, "").strip() or None for name in _COLUMNS},
        "missing": tuple(
            _parsed("A value for missing", one, float)
            for one in said.get("missing", "").split(",")
            if one.strip()
        ),
        "catalogue": str(checked_source(catalogue)) if catalogue else None,
        "join": said.get("join") or "id",
        "radius_arcsec": _parsed("The radius", said.get("radius", "").strip() or "1", float),
        "spectra": str(checked_source(spectra)) if spectra else None,
        "wavelength_min": wavelength[0],
        "wavelength_max": wavelength[1],
        "wavelength_step": wavelength[2],
        "origin": said.get("origin", "").strip() or None,
        "licence": said.get("licence", "").strip() or None,
        "more": _more(said.get("more", "")),
    }
    return ImportOptions(**settings)


_COLUMNS = ("id_column", "group_column", "ra_column", "dec_column")


def job_arguments(
    source: Path | str,
    name: str,
    options: ImportOptions,
    *,
    append: bool = False,
    restart: bool = False,
) -> list[str]:
    """The arguments of `core.run import` that say the same."""
    arguments = [str(source), f"--name={name}"]
    pairs: list[tuple[str, object]] = [
        ("reader", options.reader),
        ("size-px", options.size_px),
        ("bands", ",".join(options.bands)),
        ("pixel-scale", options.pixel_scale_arcsec),
        ("mixed", options.mixed if options.mixed != "auto" else None),
        ("id-column", options.id_column),
        ("group-column", options.group_column),
        ("ra-column", options.ra_column),
        ("dec-column", options.dec_column),
        ("missing", ",".join(f"{value:.17g}" for value in options.missing)),
        ("catalogue", options.catalogue),
        ("join", options.join if options.join != "id" else None),
        ("radius", options.radius_arcsec if options.radius_arcsec != 1.0 else None),
        ("spectra", options.spectra),
        ("wavelength", _wavelength_text(options)),
        ("origin", options.origin),
        ("licence", options.licence),
        *(("set", f"{key}={value}") for key, value in options.more.items()),
    ]
    arguments += [f"--{key}={value}" for key, value in pairs if value not in (None, "")]
    arguments += ["--append"] if append else []
    arguments += ["--restart"] if restart else []
    return arguments


def free_name(source: str, taken: list[str]) -> str:
    """A name for a survey made of this source that no survey has yet; empty for none."""
    path = Path(source.strip())
    stem = path.name.split(".")[0] if source.strip() else ""
    if stem.lower() in _SAYS_NOTHING:
        stem = path.parent.name
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:56]
    if not stem:
        return ""
    names = (stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def keep_positions(text: str, name: str) -> Path:
    """Keep pasted positions in the workspace and return their file.

    The name holds a hash of the text, so that an import that goes on finds what it began with.

    Raises
    ------
    BadInput
        There is no text, or too much of it.
    """
    lines = text.strip()
    if not lines:
        raise BadInput("Paste one position a line: right ascension and declination.")
    if len(lines) > MAX_PASTED:
        raise BadInput(
            f"Up to {MAX_PASTED:,} characters can be pasted, but these are {len(lines):,}; put"
            " them into a file on the server and give its path."
        )
    content = (lines.replace("\r\n", "\n") + "\n").encode("utf-8", "replace")
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:40] or "positions"
    folder = services().workspace.root / INCOMING
    path = folder / f"{stem}-{hashlib.sha256(content).hexdigest()[:8]}.txt"
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
        if not path.exists():
            partial = path.with_suffix(".partial")
            partial.write_bytes(content)
            os.replace(partial, path)
    return path


def pasted_words(sentence: str) -> str:
    """A sentence about a file of pasted positions, which nobody knows by its name."""
    folder = services().workspace.root / INCOMING

    def say(found: re.Match[str]) -> str:
        if not (folder / found["name"]).is_file():
            return found[0]
        article = "The" if found.start() == 0 else "the"
        return f"{article} pasted positions{_PLURAL.get(found['verb'], '')}"

    places = "|".join(re.escape(f"{one}/") for one in (folder.resolve(), folder))
    file = rf"(?:{places})?(?P<name>[\w-]+-[0-9a-f]{{8}}\.txt)(?P<verb>{'|'.join(_PLURAL)})?"
    words = re.sub(file, say, sentence)
    return words if words == sentence else words.replace("; name another file.", "; correct them.")


def _parsed(what: str, text: str, kind: Callable[[str], T]) -> T | None:
    text = text.strip()
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        word = "a whole number" if kind is int else "a number"
        raise BadInput(f"{what} is {word}, but is {text[:40]!r}; correct it.") from None


def _wavelength(text: str) -> tuple[float | None, float | None, float | None]:
    if not text.strip():
        return None, None, None
    parts = text.split(":")
    if not 2 <= len(parts) <= 3:
        raise BadInput(
            "The wavelengths are MIN:MAX or MIN:MAX:STEP in Angstrom and log10, but are"
            f" {text[:40]!r}; correct them."
        )
    low, high, *step = (_parsed("A wavelength", part, float) for part in parts)
    if low is None or high is None:  # the job would be told neither
        raise BadInput(f"Name both ends of the wavelengths, not {text[:40]!r} alone.")
    return low, high, step[0] if step else None


def _wavelength_text(options: ImportOptions) -> str:
    limits = (options.wavelength_min, options.wavelength_max)
    if None in limits:
        return ""
    steps = () if options.wavelength_step is None else (options.wavelength_step,)
    return ":".join(f"{value:.17g}" for value in (*limits, *steps) if value is not None)


def _more(text: str) -> dict[str, str]:
    settings = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise BadInput(f"More settings are KEY=VALUE, one a line, but got {line[:80]!r}.")
        settings[key.strip()] = checked_value(key.strip(), value.strip())
    return settings
