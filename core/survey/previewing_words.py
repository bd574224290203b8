"""Settings of an import as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["settings_pairs", "settings_words", "value_words"]

_LEFT_OUT = frozenset(
    {
        *("looked_at", "readable", "sampled"),
        # Said by the survey's layout.
        *("bands", "size_px", "cutout_size_px", "height_px", "width_px", "grid", "columns"),
    }
)

_NAMES = {
    "base_url": "address",
    "BUNIT": "unit of the pixels",
    "detection": "detection of sources",
    "detection_band": "band of the detection",
    "files": "files by kind",
    "filters": "filters of the headers",
    "flux_unit": "unit of the fluxes",
    "format": "format of the pictures",
    "group": "groups from",
    "group_column": "column of groups",
    "hdu": "HDU",
    "header": "line with the names of columns",
    "hips": "HiPS",
    "hours_at_least": "hours it takes at least",
    "id_column": "column of ids",
    "keep_gb": "GB of downloads that are kept",
    "lacking": "objects that some bands do not cover",
    "missing": "values that mean not measured",
    "missing_suggested": "values that may mean not measured",
    "mixed": "pictures of another size or scale",
    "object_id": "object ids from",
    "pattern": "pattern of the file names",
    "pixel_scale_arcsec": "arcsec a pixel",
    "position": "columns of the position",
    "run2d": "reduction of the spectra",
    "table": "kind of table",
}

_VALUES = {
    ("lacking", "nan"): "kept, without values there",
    ("lacking", "reject"): "rejected",
    ("mixed", "auto"): "8-bit pictures resampled, measured pixels cropped",
    ("mixed", "crop"): "cropped, or padded",
    ("mixed", "reject"): "rejected",
    ("mixed", "resample"): "resampled",
}

_GUESSED = {
    "pattern_guessed": "the pattern of the file names is a guess",
    "size_is_a_guess": "the cutout size is a guess",
}


def settings_words(settings: Mapping[str, Any]) -> list[str]:
    """What a reader found out or was told, a line each; what says nothing is left out."""
    return [f"{name}: {value}" if value else name for name, value in settings_pairs(settings)]


def settings_pairs(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same as name and value; the value is empty where the name says it all."""
    pairs = []
    for key, value in settings.items():
        if key in _GUESSED:
            pairs += [(_GUESSED[key], "")] if value else []
        elif key == "hours_at_least" and not value:
            continue
        elif key not in _LEFT_OUT and _says_something(value):
            name = _NAMES.get(key, key.replace("_", " "))
            known = _VALUES.get((key, value)) if isinstance(value, str) else None
            pairs.append((name, known or value_words(value)))
    return pairs


def value_words(value: object) -> str:
    """A value: lists with commas, dictionaries as name and value."""
    if isinstance(value, dict):
        return ", ".join(
            f"{str(name).replace('_', ' ')} {value_words(one)}"
            for name, one in value.items()
            if _says_something(one)
        )
    if isinstance(value, list | tuple):
        return ", ".join(map(value_words, value))
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _says_something(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_says_something, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_says_something, value))
    return value is not None and value != ""
