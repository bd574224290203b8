"""The import form: where the data lie, a preview, the settings, and the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import streamlit as st

from core.errors import AlreadyExists, NotReady, SkysiftError
from core.survey import READERS
from core.survey.options import JOINS, MIXED, ImportOptions
from core.vocabulary import checked_name
from pages._server.services import services
from pages._shared.data_form import (
    free_name,
    job_arguments,
    keep_positions,
    options_from,
    pasted_words,
)
from pages._shared.data_jobs import is_importing, start_import
from pages._shared.data_preview import draw_preview, run_preview
from pages._shared.data_roots import Listing, checked_source, listing
from pages._shared.data_words import size_words
from pages._shared.words import plain

__all__ = ["add_to", "draw_import"]

PATH, PASTED = "Path on the server", "Paste positions"
_MIXED_WORDS = {
    "auto": "8-bit pictures resampled, measured pixels cropped",
    "resample": "resample to the survey's size and scale",
    "crop": "crop the centre, or pad",
    "reject": "reject",
}
_JOIN_WORDS = {"id": "by id", "sky": "by sky position"}
_HELP = {"bands": "In the order wished, such as g,r,i; colour pictures have R,G,B."}
_FIELDS = (
    *("from", "path", "positions", "service", "name", "reader", "size_px", "bands"),
    *("pixel_scale", "mixed", "id_column", "group_column", "ra_column", "dec_column", "missing"),
    *("catalogue", "join", "radius", "spectra", "wavelength", "origin", "licence", "more"),
)
_FIRST = {"mixed": "auto", "join": "id"}
_USED_UP = tuple(name for name in _FIELDS if name not in ("from", "service"))
"""What the next import does not take over: a catalogue joined unseen would be the wrong one."""
_KEPT = "import kept"
_FOUND = "import preview"
_ADDS = "import adds to"
_NAMED = "import named"
_USED = "import used"
_LOOKS = "import looks"


def add_to(name: str | None) -> None:
    """Have the form add its objects to this survey; None for a new one. Draw it anew after."""
    st.session_state[_ADDS] = name
    st.session_state.pop(_FOUND, None)


def draw_import() -> None:
    """Draw the form; for owners only."""
    _restore()
    adds = _adds()
    if adds is not None:
        left, right = st.columns([5, 2], vertical_alignment="center")
        with left:
            st.info(
                f"The objects are added to **{plain(adds)}** as its next version; labels follow"
                " by object_id."
            )
        with right:
            st.button("Make a new survey instead", on_click=add_to, args=(None,), width="stretch")
    how = st.segmented_control(
        "Where the data are",
        (PATH, PASTED),
        key="import from",
        required=True,
        default=None if "import from" in st.session_state else PATH,
    )
    told: set[str] = set()
    if how == PASTED:
        _paste()
    else:
        _browse(told)
    _name(adds)
    _settings(how == PASTED)
    _keep()
    _act(adds, told, pasted=how == PASTED)


def _adds() -> str | None:
    name = st.session_state.get(_ADDS)
    return name if name in services().survey_names() else None


def _restore() -> None:
    """Bring back what was typed before another page was looked at; what was used is let go."""
    if st.session_state.pop(_USED, False):
        for name in _USED_UP:
            # Emptied, not taken away: the browser would go on showing what it has.
            st.session_state[f"import {name}"] = _FIRST.get(name, "")
    for key, value in st.session_state.get(_KEPT, {}).items():
        if key not in st.session_state:
            st.session_state[key] = value


def _keep() -> None:
    keys = [f"import {name}" for name in _FIELDS]
    kept = {key: st.session_state[key] for key in keys if key in st.session_state}
    st.session_state[_KEPT] = st.session_state.get(_KEPT, {}) | kept


def _said(name: str) -> str:
    return str(st.session_state.get(f"import {name}") or "")


def _refuse(sentence: str, told: set[str]) -> None:
    """Say why something cannot be, unless it stands on the page already."""
    if sentence not in told:
        told.add(sentence)
        st.error(plain(sentence))


def _browse(told: set[str]) -> None:
    text = st.text_input(
        "Path of a file or folder",
        key="import path",
        placeholder="/data/survey/cutouts",
        help="Pictures, FITS, HDF5, NPZ, Parquet, CSV, VOTable, tar or zip files, mosaics with a"
        " catalogue, spectra: what it is is found out from the content.",
    )
    try:
        found = listing(text)
    except SkysiftError as error:
        _refuse(str(error), told)
        found, text = listing(""), ""
    _list(found, text)


def _list(found: Listing, text: str) -> None:
    height: int | Literal["content"] = 240 if len(found.entries) > 6 else "content"
    with st.container(height=height, border=True, gap=None, key="import listing"):
        st.caption(plain(found.folder or "Folders with data"))
        if found.above is not None:
            st.button(
                "One folder up",
                icon=":material/arrow_upward:",
                type="tertiary",
                key="import up",
                width="stretch",
                on_click=_go,
                args=(found.above,),
            )
        for number, one in enumerate(found.entries):
            size = "" if one.is_folder else f", {size_words(one.size_bytes)}"
            st.button(
                plain(f"{one.name}{size}"),
                icon=":material/folder:" if one.is_folder else ":material/draft:",
                type="tertiary",
                key=f"import entry {number} {one.path}",
                width="stretch",
                on_click=_go,
                args=(one.path,),
                disabled=one.path == text.strip(),
            )
        if not found.entries:
            st.caption("Nothing is listed here." if not text.strip() else "Nothing here fits.")
        if found.n_more or found.is_cut:
            more = "more" if found.is_cut else f"{found.n_more:,} more"
            st.caption(f"and {more}; type the beginning of a name to narrow the list")


def _go(path: str) -> None:
    st.session_state["import path"] = path


def _paste() -> None:
    st.text_area(
        "Positions, one a line, all alike: right ascension and declination, or an id before them",
        key="import positions",
        height=180,
        placeholder="M100 185.7289 15.8223\nM87 187.7059 12.3911",
    )
    from core.survey.sky.services import SERVICES

    st.selectbox(
        "Take the pictures from",
        [name for name, service in SERVICES.items() if service.by_position],
        key="import service",
        format_func=lambda name: f"{name}: {SERVICES[name].description}",
    )


def _name(adds: str | None) -> None:
    if adds is not None:
        return
    source = _said("path") if _said("from") != PASTED else "positions"
    fresh = free_name(source, services().survey_names())
    typed = _said("name")
    # Follows the path until somebody names the survey.
    if typed in ("", st.session_state.get(_NAMED, "")) and typed != fresh:
        st.session_state["import name"] = fresh
    st.session_state[_NAMED] = fresh
    st.text_input("Name of the survey", key="import name", max_chars=64)


def _settings(pasted: bool) -> None:
    found: dict[str, Any] = st.session_state.get(_FOUND, {}).get("answer", {})
    with st.expander("Settings: what is left empty is found out"):
        if not pasted:
            st.selectbox(
                "Reader",
                ["", *READERS],
                key="import reader",
                format_func=lambda name: (
                    f"{name}: {READERS[name].description}" if name else "found by looking"
                ),
            )
        rows = (
            (
                ("size_px", "Cutout size (pixels)", found.get("size_px") or ""),
                ("bands", "Bands", ",".join(found.get("bands", [])) or "g,r,i"),
                ("pixel_scale", "Pixel scale (arcsec)", found.get("pixel_scale") or ""),
            ),
            (
                ("id_column", "Column with the object id", ""),
                ("group_column", "Column with the group", ""),
                ("missing", "Values that mean not measured", "-10,-999"),
            ),
            (
                ("ra_column", "Column with the right ascension", ""),
                ("dec_column", "Column with the declination", ""),
                ("wavelength", "Wavelengths (Angstrom)", "3800:9200"),
            ),
        )
        for row in rows:
            for place, (name, label, hint) in zip(st.columns(3), row, strict=True):
                with place:
                    _text(name, label, hint)
        st.selectbox(
            "Pictures of another size or scale",
            MIXED,
            key="import mixed",
            format_func=lambda one: _MIXED_WORDS.get(one, one),
        )
        left, right = st.columns(2)
        with left:
            _text("origin", "Origin", found.get("origin") or "")
        with right:
            _text("licence", "Licence", found.get("licence") or "")
        st.text_area(
            "More settings, KEY=VALUE, one a line",
            key="import more",
            height=90,
            help=_own_options(str(found.get("reader", "")) or _said("reader")),
        )
    with st.expander("Join a catalogue or spectra"):
        _text("catalogue", "Catalogue: path of a table", "/data/catalogue.parquet")
        left, right = st.columns(2)
        with left:
            st.selectbox(
                "Join", JOINS, key="import join", format_func=lambda one: _JOIN_WORDS.get(one, one)
            )
        with right:
            _text("radius", "Within (arcsec)", "1.0")
        _text("spectra", "Spectra: path of a file or folder", "/data/spectra")


def _text(name: str, label: str, placeholder: object = "") -> None:
    st.text_input(label, key=f"import {name}", placeholder=str(placeholder), help=_HELP.get(name))


def _own_options(reader: str) -> str | None:
    own = READERS[reader].own_options if reader in READERS else {}
    if not own:
        return None
    return plain("; ".join(f"{name}: {meaning}" for name, meaning in own.items()))


def _asked(pasted: bool) -> tuple[Path, ImportOptions]:
    """The source and settings that the form says (`BadInput`)."""
    said = {name: _said(name) for name in _FIELDS}
    if pasted:
        service = said["service"]
        more = f"service={service}\n{said['more']}" if service else said["more"]
        options = options_from(said | {"reader": "sky", "more": more})
        return keep_positions(said["positions"], said["name"]), options
    return checked_source(said["path"]), options_from(said)


def _act(adds: str | None, told: set[str], *, pasted: bool) -> None:
    """The buttons, and what the preview found."""
    wanted = bool(_said("positions" if pasted else "path").strip())
    kept: dict[str, Any] = st.session_state.get(_FOUND, {})
    seen = bool(kept.get("answer") or kept.get("late"))
    # Side by side as wide as their words; below each other where these do not fit.
    acts = st.container(horizontal=True)
    acts.button(
        "Preview again" if seen else "Preview",
        type="secondary" if seen else "primary",
        disabled=not wanted,
        key="import look",
        width="content",
        on_click=_want_look,
    )
    # Not the button's own answer: that is lost when another run of the page cuts in.
    if wanted and st.session_state.get(_LOOKS):
        _look(pasted)
        st.rerun()
    if seen and wanted:
        label = f"Add to {adds}" if adds else "Import"
        go = acts.button(plain(label), type="primary", key="import start", width="content")
        _check(adds, kept, told, pasted=pasted, go=go)
    if kept.get("error") and kept.get("asked") == _asked_words(pasted):
        _refuse(kept["error"], told)
    if kept.get("answer"):
        with st.container(border=True):
            draw_preview(kept["answer"])


def _check(
    adds: str | None, kept: dict[str, Any], told: set[str], *, pasted: bool, go: bool
) -> None:
    """Start if asked to; say why that cannot be, or that the form is not what was previewed."""
    try:
        source, options = _asked(pasted)
        name = adds or checked_name(_said("name").strip(), "survey")
        if adds is None and name in services().survey_names():
            raise AlreadyExists(f"There is already a survey {name!r}; choose another name.")
    except SkysiftError as error:
        _refuse(str(error), told)
        return
    if is_importing(name):
        st.caption(plain(f"An import of {name} is running."))
        return
    if (str(source), options.as_dict()) != (kept["source"], kept["options"]):
        st.caption("The form has changed since this preview.")
    if go:
        _start(source, name, options, adds)


def _want_look() -> None:
    st.session_state[_LOOKS] = True


def _look(pasted: bool) -> None:
    """Make the preview; what came of it is kept for the runs after this one."""
    line = st.empty()
    kept: dict[str, Any] = {"asked": _asked_words(pasted)}
    try:
        source, options = _asked(pasted)
        kept |= {"source": str(source), "options": options.as_dict()}
        answer = run_preview(source, options, lambda words: line.caption(words))
        kept["answer"] = _of_pasted(answer) if pasted else answer
    except SkysiftError as error:
        words = pasted_words(str(error)) if pasted else str(error)
        kept |= {"error": words, "late": isinstance(error, NotReady)}
    line.empty()
    st.session_state[_FOUND] = kept
    st.session_state[_LOOKS] = False


def _of_pasted(answer: dict[str, Any]) -> dict[str, Any]:
    """A preview of pasted positions, without the file in which the server keeps them."""
    return answer | {
        "notes": [pasted_words(note) for note in answer["notes"]],
        "rejects": [[pasted_words(cell) for cell in line] for line in answer["rejects"]],
    }


def _asked_words(pasted: bool) -> dict[str, str]:
    """The form as it is written, without the name: a refusal holds for this alone."""
    left_out = {"name", "path" if pasted else "positions"}
    return {name: _said(name) for name in _FIELDS if name not in left_out}


def _start(source: Path, name: str, options: ImportOptions, adds: str | None) -> None:
    try:
        start_import(name, job_arguments(source, name, options, append=adds is not None))
    except SkysiftError as error:
        st.error(plain(str(error)))
        return
    st.session_state.pop(_FOUND, None)
    st.session_state.pop(_ADDS, None)
    st.session_state[_USED] = True
    st.rerun()
