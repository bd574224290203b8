"""Reconstructions: pictures beside what a code keeps of them, walks through codes, and lengths."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from core.csvsafe import safe_cell
from core.display import encode_png
from core.representation.encoder import sampled_rows
from core.representation.reconstruction import (
    CodedSample,
    Rebuilder,
    Reconstructions,
    coded_sample,
    rebuilder,
    rebuilding_runs,
    reconstructions,
)
from core.survey import RunRecord, Survey
from core.vocabulary import JobKind
from pages._shared.encoders_reconstruction_codes import draw_codes
from pages._shared.encoders_reconstruction_figures import as_rgb, error_histogram
from pages._shared.encoders_reconstruction_lengths import draw_features, draw_lengths
from pages._shared.encoders_words import notes_words, tail, when_words
from pages._shared.figures import show
from pages._shared.words import command, plain

__all__ = ["draw_reconstructions"]

PICTURES, CODES, FEATURES, LENGTHS = "Pictures", "Codes", "Features", "Length of codes"
SAMPLES = (200, 1000, 5000, 20_000)
SHOWN = 24
ORDERS = {"Worst first": -1, "Best first": 1, "As drawn": 0}
_CSS = """<style>
.rebuilt { display: grid; grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr));
  gap: .9rem .9rem; }
.rebuilt figure { margin: 0; min-width: 0; }
.rebuilt .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; }
.rebuilt img { display: block; width: 100%; aspect-ratio: 1; object-fit: cover;
  background: #05070a; image-rendering: pixelated; }
.rebuilt img:first-child { border-radius: 6px 0 0 6px; }
.rebuilt img:last-child { border-radius: 0 6px 6px 0; }
.rebuilt .id { font: .72rem ui-monospace, monospace; margin-top: .3rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.rebuilt .about { font-size: .75rem; opacity: .72; font-variant-numeric: tabular-nums; }
</style>"""


def draw_reconstructions(survey: Survey) -> None:
    """Draw the part that was chosen: pictures, codes, features, or lengths of codes."""
    if "images" not in survey.manifest.modalities:
        st.write(f"{plain(survey.name)} has no pictures, so that there is nothing to rebuild.")
        return
    parts: dict[str, Callable[[Survey], None]] = {
        PICTURES: lambda one: _of_a_run(one, _draw_pictures),
        CODES: lambda one: _of_a_run(one, _draw_codes),
        FEATURES: draw_features,
        LENGTHS: draw_lengths,
    }
    part = st.segmented_control(
        "Part",
        list(parts),
        default=PICTURES,
        key="reconstruction part",
        required=True,
        label_visibility="collapsed",
    )
    parts[str(part or PICTURES)](survey)


def _of_a_run(
    survey: Survey,
    draw: Callable[[Survey, RunRecord, Rebuilder, CodedSample], None],
) -> None:
    """Choose what rebuilds and how many objects; then draw."""
    runs = {run.run_id: run for run in rebuilding_runs(survey)}
    if not runs:
        st.write("No embedding or network of this survey can make pictures from its codes yet.")
        st.write(
            "Autoencoders, PCA, ICA and NMF can; the views Train and Embeddings make them, or"
        )
        st.code(
            command("embed", survey.name, "--encoder", "pca")
            + "\n"
            + command("pretrain", survey.name, "--method", "vae", "--minutes", "5"),
            language="bash",
            wrap_lines=True,
        )
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    chosen = left.selectbox(
        "Made by",
        list(runs),
        format_func=lambda one: _run_words(runs[one]),
        key=f"reconstruction run {survey.name}",
    )
    there = int(survey.has_image.sum())
    sizes = [*(size for size in SAMPLES[:-1] if size < there), min(there, SAMPLES[-1])]
    count = right.selectbox(
        "Objects",
        sizes,
        index=min(1, len(sizes) - 1),
        format_func=lambda one: f"all {one:,}" if one == there else f"{one:,} at random",
        key=f"reconstruction objects {survey.name}",
    )
    run = runs[str(chosen)]
    with st.spinner(f"Rebuilding {count:,} pictures"):
        key = (survey.name, survey.version, survey.manifest.content_hash, run.run_id)
        model = _model(key, survey, run)
        sample = _sample((*key, int(count)), survey, model)
    about = run.record["result"].get("embedding") or {}
    for note in about.get("notes", ()):
        st.caption(plain(notes_words([note])))
    draw(survey, run, model, sample)


def _run_words(run: RunRecord) -> str:
    name = str(run.config.get("encoder") or run.config.get("method"))
    what = "network" if run.kind == JobKind.PRETRAIN else "embedding"
    when = when_words(str(run.record["finished"]))
    return f"{name.replace('_', ' ')}, {what} of {when} ({tail(run.run_id)})"


@st.cache_resource(max_entries=4, show_spinner=False)
def _model(_key: tuple[object, ...], _survey: Survey, _run: RunRecord) -> Rebuilder:
    return rebuilder(_survey, _run)


@st.cache_resource(max_entries=8, show_spinner=False)
def _sample(key: tuple[object, ...], _survey: Survey, _model: Rebuilder) -> CodedSample:
    return coded_sample(_model, _survey, sampled_rows(_survey, int(str(key[-1]))))


def _draw_pictures(survey: Survey, run: RunRecord, model: Rebuilder, sample: CodedSample) -> None:
    st.caption(
        "Left the picture as the encoder sees it, right what its code keeps of it. What is rebuilt"
        " badly is unlike the rest, or rich in detail: candidates for odd objects, and artefacts."
    )
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        order = st.segmented_control(
            "Order",
            list(ORDERS),
            default="Worst first",
            key="reconstruction order",
            required=True,
            label_visibility="collapsed",
        )
    by_error = np.argsort(sample.errors, kind="stable")
    ordered = {-1: by_error[::-1], 1: by_error, 0: np.arange(len(by_error))}
    places = ordered[ORDERS[str(order or "Worst first")]]
    pages = -(-len(places) // SHOWN)
    with right:
        page = st.number_input(f"Page of {pages:,}", 1, pages, 1, key="reconstruction page")
    chosen = places[(int(page) - 1) * SHOWN : int(page) * SHOWN]
    found = reconstructions(model, survey, sample.rows[chosen])
    is_rgb = survey.manifest.dtype == "uint8"
    _pairs(found, is_rgb)
    st.subheader("Errors")
    show(error_histogram(sample.errors), f"reconstruction errors {run.run_id}")
    with st.container(horizontal=True):
        st.download_button(
            "Errors as CSV",
            lambda: _csv(survey, sample),
            file_name=f"{survey.name}-reconstruction-errors.csv",
            mime="text/csv",
            on_click="ignore",
        )
        st.download_button(
            "This sheet as PNG",
            lambda: _sheet(found, is_rgb),
            file_name=f"{survey.name}-reconstructions.png",
            mime="image/png",
            on_click="ignore",
        )


def _draw_codes(survey: Survey, run: RunRecord, model: Rebuilder, sample: CodedSample) -> None:
    draw_codes(survey, run.run_id, model, sample)


def _pairs(found: Reconstructions, is_rgb: bool) -> None:
    st.html(_CSS)
    cells = []
    for object_id, before, after, error in zip(
        found.object_ids,
        as_rgb(found.originals, is_rgb),
        as_rgb(found.rebuilt, is_rgb),
        found.errors,
        strict=True,
    ):
        name = html.escape(str(object_id))
        cells.append(
            f'<figure title="{name}"><div class="pair">{_picture(before, f"{name} as it is")}'
            f'{_picture(after, f"{name} rebuilt")}</div><div class="id">{name}</div>'
            f'<div class="about">error {error:.2e}</div></figure>'
        )
    st.html(f'<div class="rebuilt">{"".join(cells)}</div>')


def _picture(rgb: np.ndarray, words: str) -> str:
    data = base64.b64encode(encode_png(rgb)).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" alt="{words}">'


def _csv(survey: Survey, sample: CodedSample) -> str:
    order = np.argsort(-sample.errors, kind="stable")
    ids = survey.object_ids[sample.rows[order]]
    table = pd.DataFrame({"object_id": ids, "reconstruction_error": sample.errors[order]})
    table["object_id"] = table["object_id"].map(safe_cell)
    text = io.StringIO()
    table.to_csv(text, index=False)
    return text.getvalue()


def _sheet(found: Reconstructions, is_rgb: bool) -> bytes:
    """Originals over reconstructions, six pairs a line."""
    before, after = as_rgb(found.originals, is_rgb), as_rgb(found.rebuilt, is_rgb)
    pairs = np.concatenate([before, after], axis=2)  # (B, y, 2 x, 3)
    across = min(6, len(pairs))
    missing = -len(pairs) % across
    pairs = np.concatenate([pairs, np.zeros((missing, *pairs.shape[1:]), np.uint8)])
    lines = pairs.reshape(-1, across, *pairs.shape[1:])
    return encode_png(np.concatenate([np.concatenate(list(one), axis=1) for one in lines]))
