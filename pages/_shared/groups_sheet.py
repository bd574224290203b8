"""All groups of a grouping, a line each: central objects, size, answers, and what is flagged."""

from __future__ import annotations

import html

import streamlit as st

from core.survey import Survey
from pages._server.filters import Filtered
from pages._server.groups import KeptGrouping, members, title_of
from pages._server.groups_table import Flagged, GroupRow, GroupTable
from pages._shared.groups_state import group_address
from pages._shared.thumbnails import picture_address

__all__ = ["PER_PAGE", "draw_sheet", "flagged_words", "share_words", "suspect_words"]

PER_PAGE = 40
PICTURES = 5
_CSS = """<style>
.groups { overflow-x: auto; border-radius: 8px;
  border: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
.groups table { border-collapse: collapse; width: 100%; font-size: .88rem; margin: 0; }
.groups th { text-align: left; font-weight: 600; padding: .5rem .7rem; white-space: nowrap;
  border: 0; background: var(--st-secondary-background-color); }
.groups td { padding: .35rem .7rem; border: 0; vertical-align: middle;
  border-top: 1px solid color-mix(in srgb, currentColor 8%, transparent); }
.groups tr.open td { background: color-mix(in srgb, #4a97df 14%, transparent); }
.groups .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.groups small { display: block; opacity: .72; }
.groups .few { display: flex; gap: 3px; }
.groups .few img { width: 2.7rem; height: 2.7rem; object-fit: cover; border-radius: 5px;
  background: #05070a; flex: none; }
@media (max-width: 640px) { .groups .few img:nth-child(n+3) { display: none; } }
.groups .name { min-width: 7rem; overflow-wrap: anywhere; }
.groups .name a { color: inherit !important; font-weight: 600; text-underline-offset: .2em; }
.groups .suspect { min-width: 13rem; }
.groups .suspect b { display: block; }
.groups .dot { display: inline-block; width: .6em; height: .6em; margin-right: .5em;
  border-radius: 50%; background: #e69f00; }
</style>"""

_DOT = '<i class="dot" title="May be artefacts"></i>'


def draw_sheet(
    survey: Survey,
    grouping: KeptGrouping,
    table: GroupTable,
    chosen: int,
    filtered: Filtered | None = None,
) -> None:
    """Draw the table, `PER_PAGE` groups at a time, `chosen` marked; a name opens its group."""
    pages = -(-len(table.rows) // PER_PAGE)
    page = 1
    if pages > 1:
        page = int(
            st.number_input(
                f"Page of {pages:,}",
                1,
                pages,
                chosen // PER_PAGE + 1,
                key=f"groups: page {grouping.run_id}",
                width=150,
            )
        )
    rows = table.rows[(page - 1) * PER_PAGE : page * PER_PAGE]
    with_answers = rows[0].labelled is not None
    has_pictures = bool({"images", "spectra"} & set(survey.manifest.modalities))
    heads = "".join(
        [
            "<th>Most central</th>" if has_pictures else "",
            '<th>Group</th><th class="number">Objects</th>',
            '<th class="number">Labelled</th><th class="number">Finds</th>'
            if with_answers
            else "",
            '<th class="number">Flagged</th><th>Artefacts?</th>' if table.measured else "",
        ]
    )
    lines = []
    for row in rows:
        cells = [
            _pictures(survey, grouping, row, filtered) if has_pictures else "",
            _name(grouping, row),
            _number(f"{row.size:,}", share_words(row.size, table.n_objects)),
            _answers(row) if with_answers else "",
            _flags(row.flagged) if row.flagged is not None else "",
        ]
        mark = ' class="open"' if row.group == chosen else ""
        lines.append(f"<tr{mark}>{''.join(cells)}</tr>")
    st.html(
        f'{_CSS}<div class="groups" role="region" tabindex="0" aria-label="Groups"><table><thead>'
        f"<tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def share_words(n: int, of: int) -> str:
    """Such as "12 %" and "0.4 %"; "–" of nothing."""
    if not of:
        return "–"
    return _percent(n / of)


def flagged_words(flagged: Flagged) -> str:
    """How many are flagged, with the interval of the share."""
    if not flagged.measured:
        return "no picture of it was measured"
    return (
        f"{flagged.n:,} of {flagged.measured:,} are flagged:"
        f" {share_words(flagged.n, flagged.measured)} ({100 * flagged.low:.0f} to"
        f" {100 * flagged.high:.0f} %, the exact 95 % interval for all groups at once),"
        f" {_percent(flagged.elsewhere)} elsewhere"
    )


def suspect_words(flagged: Flagged) -> str:
    """The flags that mark it as a group of artefacts, with their shares here and elsewhere; ""
    where none does."""
    return ", ".join(
        f"{_flag(name)}: {_percent(here)} here, {_percent(there)} elsewhere"
        for name, here, there in flagged.suspect
    )


def _percent(share: float) -> str:
    """Never 0 or 100 % of what is only nearly so."""
    percent = 100 * share
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.5 <= percent < 100:
        return f"{min(percent, 99.9):.1f} %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def _flag(name: str) -> str:
    return "any flag" if name == "any" else name.replace("_", " ")


def _pictures(
    survey: Survey, grouping: KeptGrouping, row: GroupRow, filtered: Filtered | None
) -> str:
    passing = None if filtered is None else filtered.passing
    few = members(grouping, row.group, passing=passing)[:PICTURES]
    shown = "".join(
        f'<img alt="" loading="lazy" width="43" height="43"'
        f' src="{html.escape(picture_address(survey, str(survey.object_ids[place]), 96))}">'
        for place in few.tolist()
    )
    return f'<td><div class="few">{shown}</div></td>'


def _name(grouping: KeptGrouping, row: GroupRow) -> str:
    address = html.escape(group_address(grouping, row.group))
    number = f"<small>Group {row.group + 1}</small>" if row.group in grouping.names else ""
    suspect = row.flagged is not None and row.flagged.suspect
    dot = _DOT if suspect else ""
    return (
        f'<td class="name">{dot}<a href="{address}" target="_self" title="Open this group below">'
        f"{html.escape(title_of(grouping, row.group))}</a>{number}</td>"
    )


def _number(words: str, small: str = "") -> str:
    return f'<td class="number">{words}{f"<small>{small}</small>" if small else ""}</td>'


def _answers(row: GroupRow) -> str:
    labelled, finds = row.labelled or 0, row.finds or 0
    share = share_words(labelled, row.size) if labelled else ""
    return _number(f"{labelled:,}", share) + _number(f"{finds:,}")


def _flags(flagged: Flagged) -> str:
    share = share_words(flagged.n, flagged.measured)
    title = html.escape(flagged_words(flagged))
    cell = f'<td class="number" title="{title}">{share}</td>'
    words = suspect_words(flagged)
    if not words:
        return f"{cell}<td></td>"
    return f'{cell}<td class="suspect"><b>{_DOT}May be artefacts</b><small>{words}</small></td>'
