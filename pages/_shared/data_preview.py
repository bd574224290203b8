"""The preview of an import: the first objects and what was guessed, before anything is made."""

from __future__ import annotations

import contextlib
import html
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import BadInput, NotReady
from core.niceness import give_way_as_session
from core.survey.options import ImportOptions
from pages._server.processes import APP_ROOT
from pages._server.services import services
from pages._shared.data_spectra import sparkline
from pages._shared.words import plain

__all__ = ["draw_preview", "layout_words", "run_preview"]

LIMIT_SECONDS = 60.0
ASKED_EVERY_S = 0.15

_CSS = """<style>
.firsts { display: grid; grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr));
  gap: .8rem .7rem; }
.firsts > div { min-width: 0; }
.firsts img { display: block; width: 100%; aspect-ratio: 1; border-radius: 8px;
  background: #05070a; object-fit: contain; }
.firsts img.spectrum { aspect-ratio: 2; margin-top: .3rem;
  background: color-mix(in srgb, currentColor 6%, transparent); }
.firsts p { font: .72rem ui-monospace, monospace; margin: .3rem 0 0; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
</style>"""


def run_preview(
    source: Path | str, options: ImportOptions, tell: Callable[[str], object]
) -> dict[str, Any]:
    """What `data_previewing` finds out, in a process of its own with a time limit.

    `tell` is called a few times a second with a line; what it raises ends the process too.

    Raises
    ------
    BadInput
        The source cannot be a survey; the sentence says why.
    NotReady
        It took too long, or the process died.
    """
    asked = {
        "source": str(source),
        "options": options.as_dict(),
        "workspace": str(services().workspace.root),
    }
    # Files rather than pipes: nobody has to empty them while the process runs.
    with tempfile.TemporaryFile() as into, tempfile.TemporaryFile() as out:
        into.write(json.dumps(asked, default=dict).encode())
        into.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-m", "pages._shared.data_previewing"],
            stdin=into,
            stdout=out,
            stderr=subprocess.DEVNULL,
            cwd=APP_ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        began = time.monotonic()
        try:
            give_way_as_session(process.pid)
            while process.poll() is None:
                took = time.monotonic() - began
                if took > LIMIT_SECONDS:
                    raise NotReady(
                        f"Looking at {source} took longer than {LIMIT_SECONDS:.0f} seconds, so"
                        " there is no preview; import it all the same, or name a part of it."
                    )
                tell(f"Looking at the data: {took:.0f} s")
                time.sleep(ASKED_EVERY_S)
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        out.seek(0)
        text = out.read()
    try:
        answer: dict[str, Any] = json.loads(text)
    except ValueError:
        raise NotReady(
            f"The process that looked at {source} died (code {process.returncode}), so there is no"
            " preview; name a reader, or a part of the data."
        ) from None
    if "error" in answer:
        raise BadInput(str(answer["error"]))
    return answer


def draw_preview(found: dict[str, Any]) -> None:
    """Draw what `run_preview` returned."""
    n = found["n_entries"]
    what = found["description"]
    st.markdown(
        f"**{plain(what[:1].upper() + what[1:])}** (reader {plain(found['reader'])}):"
        f" {n:,} {'entry' if n == 1 else 'entries'}"
    )
    for line in layout_words(found):
        st.markdown(plain(line))
    if found["settings"]:
        st.caption(plain(f"Found out or chosen: {'; '.join(found['settings'])}"))
    for note in found["notes"]:
        st.caption(plain(note))
    for words, count in found["tally"].items():
        st.caption(plain(f"{words}: {count:,} of the first"))
    if not found["objects"]:
        st.warning("None of the first entries can be taken in; the reasons are below.")
    _pictures(found["objects"])
    _columns(found)
    if found["rejects"]:
        st.markdown(f"Rejected among the first: {len(found['rejects'])}")
        st.dataframe(
            pd.DataFrame(found["rejects"], columns=["Source", "Member", "Reason"]),
            hide_index=True,
            width="stretch",
        )


def layout_words(found: dict[str, Any]) -> list[str]:
    """What every object will have, in words."""
    words = []
    if found["bands"]:
        kind = "8 bits" if found["dtype"] == "uint8" else "floating point"
        scale = found["pixel_scale"]
        a_pixel = "pixel scale unknown" if scale is None else f"{scale:.4g} arcsec a pixel"
        side = found["size_px"]
        words.append(
            f"Pictures of {side} x {side} pixels in {', '.join(found['bands'])} ({kind}),"
            f" {a_pixel}."
        )
    if found["grid"]:
        low, high, n = found["grid"]
        words.append(f"Spectra of {n:,} pixels from {low:,.0f} to {high:,.0f} Angstrom.")
    if not words:
        words.append("Columns alone, no pictures or spectra.")
    return words


def _pictures(objects: list[dict[str, Any]]) -> None:
    cells = []
    for one in objects:
        name = html.escape(one["object_id"])
        picture = one["picture"]
        drawn = f'<img src="data:image/png;base64,{picture}" alt="">' if picture else ""
        drawn += sparkline(one["spectrum"]) if one["spectrum"] else ""
        if drawn:
            cells.append(f'<div title="{name}">{drawn}<p>{name}</p></div>')
    if cells:
        st.html(f'{_CSS}<div class="firsts">{"".join(cells)}</div>')


def _columns(found: dict[str, Any]) -> None:
    objects = found["objects"]
    names = list(dict.fromkeys(name for one in objects for name in one["columns"]))
    if not names:
        return
    units = found["units"]
    # As text: a column may hold numbers here and words there, and 64-bit ids keep their digits.
    rows = [
        {
            "object_id": one["object_id"],
            **{
                f"{name} [{units[name]}]" if name in units else name: _cell(
                    one["columns"].get(name)
                )
                for name in names
            },
        }
        for one in objects
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.8g}" if isinstance(value, float) else str(value)
