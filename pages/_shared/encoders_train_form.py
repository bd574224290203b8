"""What a training is asked for: the form, and the command line that it becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.config import PretrainConfig
from core.errors import BadInput, SkysiftError
from core.representation import METHODS
from core.representation.augmentation import PRESETS
from core.survey import Survey
from pages._server.services import services
from pages._shared.words import plain

__all__ = ["Wish", "draw_wish", "has_pictures", "train_arguments"]

MINUTES, STEPS = "Minutes", "Steps"
DEFAULT_MINUTES, DEFAULT_STEPS = 10.0, 1000


@dataclass(frozen=True)
class Wish:
    """What `python -m core.run pretrain` is asked for; None and "" leave it to its rules.

    Attributes
    ----------
    surveys
        The one whose run it is first.
    minutes, steps
        One of them.
    settings
        Of the method, KEY=VALUE a line.
    """

    surveys: tuple[str, ...]
    method: str = PretrainConfig.method
    minutes: float | None = DEFAULT_MINUTES
    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    augmentation: str = PretrainConfig.augmentation
    strength: float = 1.0
    off: tuple[str, ...] = ()
    early_stop: bool = True
    settings: str = ""
    seed: int = 0


def train_arguments(wish: Wish) -> list[str]:
    """The command line of the job.

    Raises
    ------
    BadInput
        A setting is not written KEY=VALUE.
    """
    found = [*wish.surveys, f"--method={wish.method}"]
    if wish.steps is not None:
        found.append(f"--steps={wish.steps}")
    elif wish.minutes is not None:
        found.append(f"--minutes={wish.minutes:g}")
    if wish.batch_size is not None:
        found.append(f"--batch-size={wish.batch_size}")
    if wish.learning_rate is not None:
        found.append(f"--learning-rate={wish.learning_rate:g}")
    found.append(f"--augmentation={wish.augmentation}")
    found.append(f"--augmentation-strength={wish.strength:g}")
    found += [f"--without={name}" for name in wish.off]
    if not wish.early_stop:
        found.append("--no-early-stop")
    for line in wish.settings.splitlines():
        if not line.strip():
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not (key and equals and value):
            raise BadInput(
                f"A setting of the method is written KEY=VALUE, but one line is"
                f" {line.strip()[:80]!r}; correct it."
            )
        found.append(f"--set={key}={value}")
    return [*found, f"--seed={wish.seed}"]


def has_pictures(survey: Survey) -> bool:
    """Whether a network can be trained on it."""
    return "images" in survey.manifest.modalities


def draw_wish(survey: Survey, see_views: Callable[[], None]) -> Wish:
    """Draw the form; what it asks for. `see_views` opens the view of the augmentations."""
    left, right = st.columns(2)
    with left:
        method = st.selectbox("Method", _methods(), key="train method")
        st.caption(_sentence(METHODS[method].description))
        minutes, steps = _length()
    with right:
        preset, strength = _augmentation(method, see_views)
    with st.expander("More"):
        return _more(survey, Wish((), method, minutes, steps, None, None, preset, strength))


def _methods() -> list[str]:
    default = PretrainConfig.method
    return [default, *sorted(name for name in METHODS if name != default)]


def _length() -> tuple[float | None, int | None]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        unit = st.segmented_control(
            "Length", (MINUTES, STEPS), default=MINUTES, required=True, key="train unit"
        )
        if unit == STEPS:
            steps = st.number_input(
                "Steps", 1, 10_000_000, DEFAULT_STEPS, 100, key="train steps", width=170
            )
            return None, int(steps)
        minutes = st.number_input(
            "Minutes",
            0.1,
            100_000.0,
            DEFAULT_MINUTES,
            1.0,
            format="%g",
            key="train minutes",
            width=170,
        )
    st.caption("The minutes are turned into a number of steps, which is saved: a run repeats.")
    return float(minutes), None


def _augmentation(method: str, see_views: Callable[[], None]) -> tuple[str, float]:
    names = list(PRESETS)
    default = PretrainConfig.augmentation
    preset = st.selectbox(
        "Augmentations",
        names,
        index=names.index(default),
        key="train augmentation",
        help="How much two views of one object may differ. What differs between views is what the"
        " network learns to overlook.",
    )
    strength = st.slider(
        "Strength", 0.0, 2.0, 1.0, 0.1, key="train strength", help="1 is the preset as it is."
    )
    if not METHODS[method].augments:
        st.caption("This method copies what it is shown: only turns and flips are used.")
    st.button(
        "See them on your own objects", type="tertiary", on_click=see_views, key="link-to-views"
    )
    return preset, float(strength)


def _more(survey: Survey, wish: Wish) -> Wish:
    method = METHODS[wish.method]
    others = [name for name in services().survey_names() if _usable(name)]
    surveys = st.multiselect(
        "Further surveys to train on",
        [name for name in others if name != survey.name],
        key=f"train surveys {survey.name}",
        help="Objects of all of them are shown to one network.",
    )
    left, right = st.columns(2)
    with left:
        batch = st.number_input(
            "Batch size",
            4,
            1_000_000,
            None,
            key="train batch",
            placeholder="by rule",
            help="Objects a step. Left empty, it follows from the size of the survey.",
        )
    with right:
        rate = st.number_input(
            "Learning rate",
            0.0,
            0.99,
            None,
            format="%g",
            key="train rate",
            placeholder="by rule",
            help="Left empty, it follows from the method and the batch size.",
        )
    off = st.multiselect(
        "Augmentations to leave out",
        list(PRESETS[wish.augmentation].given),
        format_func=lambda name: str(name).replace("_", " "),
        key="train off",
    )
    settings = st.text_area(
        f"Settings of {wish.method}",
        key=f"train settings {wish.method}",
        placeholder="\n".join(f"{k}={v}" for k, v in method.default_settings().items()),
        help="KEY=VALUE, one a line; what is left out is as shown.",
    )
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="train seed")
    with right:
        early = st.checkbox("Stop early when quality no longer rises", True, key="train early")
    return Wish(
        (survey.name, *surveys),
        wish.method,
        wish.minutes,
        wish.steps,
        None if batch is None else int(batch),
        rate or None,
        wish.augmentation,
        wish.strength,
        tuple(off),
        early,
        settings,
        int(seed),
    )


def _usable(name: str) -> bool:
    try:
        return has_pictures(services().survey(name))
    except SkysiftError:  # a damaged one must not hide the others
        return False


def _sentence(text: str) -> str:
    return plain(text[:1].upper() + text[1:].rstrip(".") + ".")
