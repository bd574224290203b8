"""The summary of a survey: what it holds, where it lies, what its pixels are like."""

from __future__ import annotations

import csv
import html
import itertools
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core.run_describe import column_words, number, share, sky_words, spectra_words
from core.survey import Survey
from core.survey.job import import_record
from core.survey.previewing_words import settings_pairs, value_words
from core.survey.summary import Summary, kept_summary, summarise
from core.survey.summary_pixels import PERCENTILES
from core.vocabulary import Role
from labels_db import Task
from pages._server.recent import Recent
from pages._server.services import services
from pages._shared.data_added import draw_added
from pages._shared.data_figures import histograms, sky_map
from pages._shared.data_spectra import sparkline, thinned
from pages._shared.data_surveys import size_on_disk
from pages._shared.data_words import size_words
from pages._shared.thumbnails import picture_address
from pages._shared.who import who
from pages._shared.words import command, plain

__all__ = ["draw_summary"]

SHOWN_REJECTS = 500
SPECTRUM_POINTS = 240

_summaries = Recent(8)

_CSS = """<style>
.counts { display: flex; flex-wrap: wrap; gap: .6rem 2.2rem; margin: .2rem 0 .4rem; }
.counts div { min-width: 0; }
.counts b { display: block; font-size: 1.25rem; font-weight: 600;
  font-variant-numeric: tabular-nums; }
.counts span { font-size: .8rem; opacity: .75; }
.thumbs .cell { min-width: 0; }
.thumbs img.spectrum { aspect-ratio: 2;
  background: color-mix(in srgb, currentColor 6%, transparent); }
.thumbs.told .about { white-space: normal; }
.thumbs.high { max-height: 26rem; overflow-y: auto; }
.block-container h3 { font-size: 1.05rem; font-weight: 600; padding: .6rem 0 0; }
</style>"""


def draw_summary(survey: Survey) -> None:
    """Draw it; the first time it is made, which takes a few seconds."""
    found = _summary(survey)
    st.html(_CSS)
    _counts(survey, found)
    task = _task_of(survey)
    if found.examples:
        st.subheader("Examples")
        _examples(survey, found, task)
    drawn = [part for part, there in ((_sky, found.sky), (_histograms, found.bands)) if there]
    if drawn:
        for place, part in zip(st.columns(len(drawn), gap="medium"), drawn, strict=True):
            with place:
                part(survey, found)
    if found.bands:
        _pixel_table(found)
    if found.spectra is not None:
        st.subheader("Spectra")
        for line in spectra_words(found.spectra):
            st.markdown(plain(line[0].upper() + line[1:]))
    _suspicious(survey, found, task)
    _flags(found)
    _columns(found)
    draw_added(survey)
    _rejects(survey, found)
    _provenance(survey)


def _summary(survey: Survey) -> Summary:
    key = (str(survey.path), survey.manifest.content_hash)

    def make() -> Summary:
        kept = kept_summary(survey)
        if kept is not None:
            return kept
        with st.spinner("Looking through the survey, once"):
            return summarise(survey)

    return _summaries.get(key, make)


def _task_of(survey: Survey) -> Task | None:
    """A task of this survey, to open objects in: the chosen one if it is."""
    tasks = [task for task in services().db().tasks() if task.survey == survey.name]
    chosen = st.session_state.get("task")
    return next((task for task in tasks if task.name == chosen), tasks[0] if tasks else None)


def _counts(survey: Survey, found: Summary) -> None:
    shown = [
        (found.n_objects, "objects"),
        (found.n_rejects, "rejected"),
        (found.n_groups if found.n_groups != found.n_objects else 0, "groups"),
        (found.n_images, "with a picture"),
        (found.n_spectra, "with a spectrum"),
        (found.n_positions, "with a position"),
    ]
    cells = "".join(f"<div><b>{n:,}</b><span>{words}</span></div>" for n, words in shown if n)
    st.html(f'<div class="counts">{cells}</div>')
    manifest = survey.manifest
    words = []
    if manifest.bands:
        side, scale = manifest.cutout_size_px, manifest.pixel_scale_arcsec
        a_pixel = "" if scale is None else f" of {scale:.4g} arcsec"
        words.append(
            f"{side} x {side} pixels{a_pixel} in {', '.join(manifest.bands)} ({manifest.dtype})"
        )
    words += [f"version {survey.version}", size_words(size_on_disk(survey))]
    st.caption(plain(", ".join(words)))


def _examples(survey: Survey, found: Summary, task: Task | None) -> None:
    if found.n_images:
        _grid(survey, [(name, "") for name in found.examples[:12]], task)
    elif found.n_spectra:
        cells = []
        for name in found.examples[:8]:
            one = survey.spectrum(survey.row(name))
            drawn = sparkline(thinned(one.flux, one.mask, SPECTRUM_POINTS))
            cells.append(
                f'<div class="cell">{drawn}<div class="id">{html.escape(name)}</div></div>'
            )
        st.html(f'<div class="thumbs">{"".join(cells)}</div>')
    else:
        st.caption(plain(", ".join(found.examples[:12])))


def _grid(
    survey: Survey, objects: Sequence[tuple[str, str]], task: Task | None, height: str = ""
) -> None:
    """Pictures with their ids and a line each; a task's open on its label page."""
    base = html.escape(services().base_path)
    cells = []
    for object_id, about in objects:
        name, words = html.escape(object_id), html.escape(about)
        inside = (
            f'<img src="{html.escape(picture_address(survey, object_id, 256))}" alt=""'
            f' loading="lazy" width="256" height="256"><div class="id">{name}</div>'
            f'<div class="about">{words}</div>'
        )
        if task is None:
            cells.append(f'<div class="cell" title="{name}">{inside}</div>')
        else:
            link = html.escape(urlencode({"task": task.name, "object": object_id}))
            title = f"Open {name} on the label page"
            cells.append(f'<a href="{base}/?{link}" title="{title}">{inside}</a>')
    st.html(f'<div class="thumbs told {height}">{"".join(cells)}</div>')


def _sky(survey: Survey, found: Summary) -> None:
    st.subheader("Sky")
    sky = found.sky
    assert sky is not None
    st.plotly_chart(
        sky_map(sky),
        key=f"sky {survey.name} {survey.version}",
        theme=None,
        config={"displaylogo": False, "scrollZoom": True, "modeBarButtonsToRemove": ["lasso2d"]},
    )
    st.caption(plain(" ".join(f"{line[0].upper()}{line[1:]}." for line in sky_words(sky))))
    if sky.moc_json:
        st.download_button(
            "MOC of the coverage",
            sky.moc_json,
            file_name=f"{survey.name}-{survey.version}-moc.json",
            mime="application/json",
            on_click="ignore",
        )


def _histograms(_survey: Survey, found: Summary) -> None:
    st.subheader("Pixels")
    st.plotly_chart(
        histograms(found.bands), key="histograms", theme=None, config={"displayModeBar": False}
    )
    st.caption(
        f"Of {found.n_measured:,} of {found.n_images:,} pictures, chosen at random."
        if found.n_measured < found.n_images
        else f"Of all {found.n_images:,} pictures."
    )


def _pixel_table(found: Summary) -> None:
    rows = []
    for band in found.bands:
        at = dict(zip(PERCENTILES, band.percentiles, strict=False))
        rows.append(
            {
                "Band": band.name,
                "Lowest": number(band.low),
                **{f"{one}%": number(at.get(one)) for one in PERCENTILES},
                "Highest": number(band.high),
                "Mean": number(band.mean),
                "Std. dev.": number(band.std),
                "Missing": share(band.nan_share),
                "Exactly zero": share(band.zero_share),
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


def _suspicious(survey: Survey, found: Summary, task: Task | None) -> None:
    n = sum(count for _reason, count in found.suspicious_counts)
    st.subheader("Worth a look")
    if not n:
        st.caption("None of the objects looked at is empty, cut off, doubled or far too bright.")
        return
    counts = "; ".join(f"{reason}: {count:,}" for reason, count in found.suspicious_counts)
    shown = len(found.suspicious)
    st.caption(plain(counts + (f". The first {shown} are shown." if n > shown else ".")))
    told = [(one.object_id, one.reason) for one in found.suspicious]
    if found.n_images:
        _grid(survey, told, task, "high")
    else:
        st.dataframe(
            pd.DataFrame(told, columns=["Object", "Why"]), hide_index=True, width="stretch"
        )


def _flags(found: Summary) -> None:
    """How many pictures have which artefact, with the ids of some."""
    raised = [one for one in found.flags if one.count]
    if not raised:
        return
    rows = [
        {
            "Flag": one.name,
            "Pictures": one.count,
            "Share": share(one.count / found.n_measured),
            "Meaning": one.meaning,
            "Examples": ", ".join(one.examples),
        }
        for one in raised
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", height="content")
    st.caption(
        f"Artefact flags of {found.n_measured:,} pictures; a picture may have several."
        f" `{command('measure', found.survey)}` looks at every picture and keeps flags and"
        " morphology as columns."
    )


def _columns(found: Summary) -> None:
    if not found.columns:
        return
    st.subheader("Columns")
    rows = [
        {
            "Column": one.name,
            "Type": one.kind,
            "Unit": one.unit,
            "Missing": one.n_missing,
            "Values": column_words(one),
            "Description": one.description,
        }
        for one in found.columns
    ]
    frame = pd.DataFrame(rows)
    empty = [name for name in ("Unit", "Description") if not frame[name].any()]
    st.dataframe(
        frame.drop(columns=empty),
        hide_index=True,
        width="stretch",
        height="content" if len(rows) <= 12 else 440,
    )


def _rejects(survey: Survey, found: Summary) -> None:
    st.subheader("Rejected")
    if not found.n_rejects:
        st.caption("Nothing: every entry that was seen became an object.")
        return
    for reason, count in found.reject_reasons[:8]:
        st.markdown(f"{count:,}: {plain(reason)}")
    if len(found.reject_reasons) > 8:
        st.caption(f"and {len(found.reject_reasons) - 8} more reasons")
    path = survey.path / "rejects.csv"
    lines = _first_lines(path, SHOWN_REJECTS)
    st.dataframe(
        pd.DataFrame(lines),
        hide_index=True,
        width="stretch",
        height="content" if len(lines) <= 8 else 320,
    )
    if found.n_rejects > len(lines):
        st.caption(f"The first {len(lines):,} of {found.n_rejects:,}.")
    st.download_button(
        "Rejected entries (CSV)",
        path.read_bytes,
        file_name=f"{survey.name}-{survey.version}-rejects.csv",
        mime="text/csv",
        on_click="ignore",
    )


def _first_lines(path: Path, n: int) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(itertools.islice(csv.DictReader(file), n))


def _provenance(survey: Survey) -> None:
    st.subheader("How it came about")
    manifest, record = survey.manifest, import_record(survey)
    is_owner = who().role is Role.OWNER
    pairs: list[tuple[str, object]] = [
        ("Origin", manifest.origin or "not stated"),
        ("Licence", manifest.licence or "not stated"),
        ("Made", manifest.created.replace("T", " ")),
        ("Reader", record.get("reader")),
        ("Source", record.get("source") if is_owner else None),
        ("Entries seen", record.get("n_entries")),
        *(
            ("Option " + key.replace("_", " "), value)
            for key, value in _said(record.get("options"))
            if is_owner
        ),
        *(
            ("Found: " + name, value or "yes")
            for name, value in settings_pairs(dict(_said(record.get("settings"))))
        ),
        ("Times it went on after a stop", record.get("resumed") or None),
        ("Seconds", record.get("seconds_of_the_last_part")),
        ("Content hash", manifest.content_hash),
        ("Folder", survey.path if is_owner else None),
    ]
    rows = [(name, value_words(value)) for name, value in pairs if value is not None]
    st.dataframe(
        pd.DataFrame(rows, columns=["", "Value"]),
        hide_index=True,
        width="stretch",
        height="content" if len(rows) <= 14 else 480,
    )
    for note in manifest.notes:
        st.caption(plain(note))


def _said(value: object) -> list[tuple[str, object]]:
    return [(str(key), one) for key, one in value.items()] if isinstance(value, dict) else []
