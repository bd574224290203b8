"""What augmentations do to the user's own objects, before anything is trained with them."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass

import numpy as np
import streamlit as st
from torch import Tensor

from core.display.render import encode_png
from core.display.stretch import dealt
from core.errors import NotFound
from core.representation.augmentation import DEFAULT_PRESET, PRESETS, ViewRecipe, in_order
from core.representation.augmentation.showing import objects_to_show, shown_views
from core.representation.inputs.scaling import SCALINGS
from core.survey import Survey
from pages._shared.who import who
from pages._shared.words import command, plain

__all__ = ["draw_views"]

VIEWS = 7
MOST_OBJECTS = 12
LOOKS = ("Whole picture", "Central half")
SCALING_NAMES = {"asinh": "asinh a band", "lupton": "Lupton", "minmax": "each object's own"}

_SEED = "views seed"
_OBJECTS_SEED = "views objects seed"

_CSS = """<style>
.views .object { margin: 0 0 1rem; }
.views .id { font: .78rem ui-monospace, monospace; overflow-wrap: anywhere; margin: 0 0 .3rem; }
.views .row { display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); gap: .5rem; }
.views figure { margin: 0; min-width: 0; }
.views img { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 6px;
  background: #05070a; }
.views img + img { margin-top: .2rem; }
.views figcaption { font-size: .72rem; opacity: .75; margin-top: .2rem; }
.views figure.as-is img { outline: 2px solid #4a97df; outline-offset: -2px; }
.reasons { display: grid; gap: .7rem 1.6rem; margin: 0; padding: 0;
  grid-template-columns: repeat(auto-fill, minmax(min(24rem, 100%), 1fr)); }
.reasons div { min-width: 0; }
.reasons b { font-weight: 600; }
.reasons .dose { font-size: .82rem; opacity: .8; }
.reasons p { margin: .1rem 0 0; font-size: .88rem; }
.reasons .off { opacity: .55; }
@media (max-width: 900px) { .views .row { grid-template-columns: repeat(4, minmax(0, 1fr)); } }
</style>"""


@dataclass(frozen=True)
class _Choice:
    """What is to be shown; `off` are augmentations of the preset that are left out."""

    preset: str
    strength: float
    off: tuple[str, ...]
    count: int
    ids: tuple[str, ...]
    look: int
    scaling: str
    residuals: bool

    @property
    def recipe(self) -> ViewRecipe:
        return PRESETS[self.preset].without(*self.off).times(self.strength)


@st.fragment
def draw_views(survey: Survey) -> None:
    """Draw the choice of augmentations, views of some objects, and the reasons."""
    who()  # asked anew: a fragment outlives a sign-out
    if not survey.has_image.any():
        st.write(
            f"{plain(survey.name)} has no pictures, so nothing is augmented; views are shown of"
            " surveys with pictures."
        )
        return
    st.html(_CSS)
    choice = _choice(survey)
    ids = list(choice.ids) or objects_to_show(
        survey, choice.count, st.session_state.get(_OBJECTS_SEED, 0)
    )
    unknown = [name for name in ids if not _has_picture(survey, name)]
    if unknown:
        names = plain(", ".join(name[:80] for name in unknown))
        st.warning(
            f"The survey {plain(survey.name)} has no picture of an object {names}; check the ids."
        )
    ids = [name for name in ids if name not in unknown]
    if ids:
        seen = shown_views(
            survey,
            ids,
            choice.recipe,
            views=VIEWS,
            look=choice.look,
            scaling=choice.scaling,
            seed=st.session_state.get(_SEED, 0),
        )
        bands = survey.manifest.bands
        cells = [
            _object(name, one, as_rgb=tuple(bands) == ("R", "G", "B"), residuals=choice.residuals)
            for name, one in zip(ids, seen, strict=True)
        ]
        st.html(f'<div class="views">{"".join(cells)}</div>')
    st.caption(_explained(choice))
    st.code(_command(survey, choice), language=None, wrap_lines=True)
    st.subheader("What is changed, and why")
    st.html(_reasons(choice.recipe))


def _choice(survey: Survey) -> _Choice:
    names = tuple(PRESETS)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        preset = st.segmented_control(
            "Augmentations",
            names,
            default=DEFAULT_PRESET,
            format_func=str.capitalize,
            required=True,
            key="views preset",
            width="content",
            help="Recipes by name; training takes them by the same names.",
        )
        strength = st.slider(
            "Strength", 0.0, 2.0, 1.0, 0.1, key="views strength", width=200,
            help="All amounts are multiplied by it; turns and flips stay at 0 too.",
        )  # fmt: skip
        count = st.number_input(
            "Objects", 1, MOST_OBJECTS, 4, key="views count", width=110,
            help="Drawn at random among those with a picture.",
        )  # fmt: skip
        wanted = st.text_input(
            "By id", key="views ids", width=220, placeholder="random objects",
            help="Ids of objects to show instead, with commas or spaces between.",
        )  # fmt: skip
    name = str(preset)
    given = PRESETS[name].given
    on = st.pills(
        "Which of them",
        given,
        selection_mode="multi",
        default=given,
        format_func=_words,
        key=f"views on {name}",
        help="Press one to leave it out; the others stay as they were drawn.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        look = st.segmented_control(
            "Shown", LOOKS, default=LOOKS[0], required=True, key="views look", width="content",
            help="A network sees each object twice: whole, and its central half enlarged.",
        )  # fmt: skip
        scaling = st.selectbox(
            "Pixel scaling", tuple(SCALINGS), format_func=SCALING_NAMES.__getitem__,
            key="views scaling", width=180,
            help="\n\n".join(f"{SCALING_NAMES[k]}: {text}" for k, text in SCALINGS.items()),
        )  # fmt: skip
        residuals = st.toggle(
            "Residuals", key="views residuals",
            help="Below each picture what the network sees beside it: what is not symmetric"
            " under a half turn, and the sharp structure of all bands; grey is nothing.",
        )  # fmt: skip
        if st.button("Draw views again"):
            st.session_state[_SEED] = st.session_state.get(_SEED, 0) + 1
        if st.button("Other objects", disabled=bool(wanted.split())):
            st.session_state[_OBJECTS_SEED] = st.session_state.get(_OBJECTS_SEED, 0) + 1
    return _Choice(
        preset=name,
        strength=float(strength),
        off=tuple(one for one in given if one not in on),
        count=int(count),
        ids=_ids(survey, wanted),
        look=LOOKS.index(str(look)),
        scaling=str(scaling),
        residuals=bool(residuals),
    )


def _has_picture(survey: Survey, object_id: str) -> bool:
    try:
        return bool(survey.has_image[survey.row(object_id)])
    except NotFound:
        return False


def _ids(survey: Survey, text: str) -> tuple[str, ...]:
    """The ids in a text: all of it where that is one, else between commas, else its words."""
    whole = text.strip()
    if _has_picture(survey, whole):
        return (whole,)
    words = [one.strip() for one in whole.split(",")] if "," in whole else whole.split()
    return tuple(dict.fromkeys(one for one in words if one))[:MOST_OBJECTS]


def _object(object_id: str, seen: Tensor, *, as_rgb: bool, residuals: bool) -> str:
    """One object's row of pictures: as it is, then its views."""
    name = html.escape(object_id)
    cells = []
    for number, one in enumerate(seen.numpy()):
        words = "as it is" if number == 0 else f"view {number}"
        pictures = _pictures(one, as_rgb=as_rgb)[: 3 if residuals else 1]
        images = "".join(
            f'<img alt="{html.escape(what)} of {name}, {words}" src="{address}">'
            for what, address in pictures
        )
        kind = ' class="as-is"' if number == 0 else ""
        cells.append(f"<figure{kind}>{images}<figcaption>{words}</figcaption></figure>")
    row = f'<div class="row">{"".join(cells)}</div>'
    return f'<div class="object"><div class="id">{name}</div>{row}</div>'


def _pictures(channels: np.ndarray, *, as_rgb: bool) -> list[tuple[str, str]]:
    """(2 band + 1, y, x) -> name and data address of bands, asymmetry and sharp structure."""
    bands = len(channels) // 2
    rgb = as_rgb and bands == 3
    return [
        ("bands", _address(dealt(channels[:bands], as_rgb=rgb))),
        ("asymmetry", _address(0.5 + 0.5 * dealt(channels[bands : 2 * bands], as_rgb=rgb))),
        ("sharp structure", _address(0.5 + 0.5 * dealt(channels[2 * bands :]))),
    ]


def _address(planes: np.ndarray) -> str:
    """(3, y, x) from 0 to 1 -> a PNG as data URI."""
    levels = np.rint(np.clip(planes, 0, 1) * 255).astype(np.uint8)
    png = encode_png(np.ascontiguousarray(np.moveaxis(levels, 0, -1)), 128)
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _explained(choice: _Choice) -> str:
    alike = "Every view must be taken for the object at its left, and for no other."
    if choice.preset == "strong":
        alike += (
            " Strong has blur, sky gradients, neighbours and artefacts, which may hide what is"
            " rare: leave out what your search is for."
        )
    return alike + " Should views differ in what your search is for, choose less."


def _command(survey: Survey, choice: _Choice) -> str:
    """How the same augmentations are asked for in a training."""
    words = ["pretrain", survey.name, "--augmentation", choice.preset]
    if choice.strength != 1:
        words += ["--augmentation-strength", f"{choice.strength:g}"]
    for name in choice.off:
        words += ["--without", name]
    return command(*words)


def _reasons(recipe: ViewRecipe) -> str:
    """All augmentations; first those that happen, with their doses."""
    given = set(recipe.given)
    told = []
    for one in sorted(in_order(), key=lambda one: one.name not in given):
        here = one.name in given
        dose = one.said(recipe.dose(one.name)) if here else "left out"
        told.append(
            f'<div class="{"on" if here else "off"}"><b>{_words(one.name)}</b>'
            f' <span class="dose">{html.escape(dose)}</span><p>{html.escape(one.reason)}</p></div>'
        )
    return f'<div class="reasons">{"".join(told)}</div>'


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
