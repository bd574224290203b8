"""The few rules that Streamlit's theme cannot express."""

from __future__ import annotations

import streamlit as st

__all__ = ["style"]

_CSS = """<style>
.block-container { padding: 2.6rem clamp(1rem, 2.5vw, 2.6rem) 2rem !important; max-width: 110rem; }
[data-testid="stHeader"] { background: transparent; height: 2.6rem; }
[data-testid="stSidebarHeader"] { padding-bottom: 0; }
.block-container h1 { font-size: 1.45rem; font-weight: 600; letter-spacing: -0.01em;
  padding: 0 0 .2rem; }
.thumbs { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.2rem, 1fr));
  gap: .9rem .8rem; }
.thumbs a { display: block; color: inherit !important; text-decoration: none !important;
  min-width: 0; }
.thumbs img { display: block; width: 100%; height: auto; aspect-ratio: 1; object-fit: cover;
  border-radius: 8px; background: #05070a; }
.thumbs a:hover img, .thumbs a:focus-visible img {
  outline: 2px solid color-mix(in srgb, currentColor 55%, transparent); }
.thumbs a:focus-visible { outline: none; }
.thumbs .id { font: .72rem ui-monospace, monospace; margin-top: .35rem;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.thumbs .about { font-size: .75rem; opacity: .72; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
a.act { display: inline-block; padding: .42rem .9rem; border-radius: 8px; white-space: nowrap;
  color: #fff !important; background: #2469a8; text-decoration: none !important; }
a.act:hover, a.act:focus-visible { background: #1d5689; }
/* White on the theme's light blue cannot be read: 5.9 to 1 instead of 2.3. */
[data-testid="stBaseButton-primary"], [data-testid="stBaseButton-primaryFormSubmit"] {
  background: #2469a8; border-color: #2469a8; color: #fff; }
[data-testid="stBaseButton-primary"]:hover:enabled,
[data-testid="stBaseButton-primaryFormSubmit"]:hover:enabled {
  background: #1d5689; border-color: #1d5689; color: #fff; }
[data-testid="stMultiSelectTagsContainer"] [data-tag] {
  background-color: #2469a8 !important; color: #fff !important; }
.st-key-link-to-views button p { text-decoration: underline; text-underline-offset: .2em; }
.st-key-import-listing button, .st-key-import-listing button > div,
.st-key-import-listing button > div > span { justify-content: flex-start; width: 100%; }
.st-key-import-listing button > div * { min-width: 0; }
.st-key-import-listing button p { overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.curve-legend { list-style: none; margin: 0 0 .2rem !important; padding: 0 !important;
  display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .85rem; }
.curve-legend li { margin: 0 !important; padding: 0; min-width: 0; overflow-wrap: anywhere; }
.curve-legend i { display: inline-block; width: .9em; height: .28em; border-radius: 2px;
  margin-right: .5em; vertical-align: .2em; }
.curve-legend b { font-weight: 600; }
</style>"""


def style() -> None:
    """Put the rules into the page."""
    st.html(_CSS)
