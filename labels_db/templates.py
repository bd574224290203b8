"""Tasks to start from: classes that are easily mistaken for each other, and how to tell them.

Each is a beginning. Whoever makes a task from one changes what their survey needs: the
resolution, the depth and the bands decide how much of a guideline can be seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labels_db.records import ClassDetail, TaskSpec

__all__ = ["TEMPLATES", "Template"]

# Okabe & Ito's palette, which colour-blind people tell apart
# (https://jfly.uni-koeln.de/color/), with grey in the place of black for dark pages.
_ORANGE, _SKY, _GREEN, _YELLOW = "#e69f00", "#56b4e9", "#009e73", "#f0e442"
_BLUE, _VERMILION, _PURPLE, _GREY = "#0072b2", "#d55e00", "#cc79a7", "#999999"
_PALE = "#cfcfcf"


@dataclass(frozen=True)
class Template:
    """The parts of a `TaskSpec` that do not depend on the survey.

    `about` is one line for whoever chooses among templates.
    """

    about: str
    question: str
    classes: tuple[ClassDetail, ...]
    target: str
    guideline: str
    tags: tuple[str, ...] = ()
    tree: Mapping[str, Any] | None = None

    def spec(self, name: str, survey: str) -> TaskSpec:
        """The task of this template in a survey."""
        return TaskSpec(
            name,
            survey,
            self.question,
            tuple(one.name for one in self.classes),
            self.target,
            self.guideline,
            details=self.classes,
            tags=self.tags,
            tree=self.tree,
        )


def _prose(text: str) -> str:
    """Markdown with one line a paragraph or item, as a person would type it into a field."""
    return re.sub(r"(?<=\S)\n(?! *- |\n|$) *", " ", text).strip()


def _class(key: str, name: str, colour: str, guideline: str) -> ClassDetail:
    return ClassDetail(name, key, colour, guideline)


_DUAL_AGN = Template(
    about="Two active nuclei in one galaxy, among everything that looks like two",
    question="Does this galaxy hold two nuclei?",
    target="dual nucleus",
    guideline=_prose("""\
Look at the centre first, then at what surrounds it.

- Two nuclei are two compact peaks of light inside one common envelope, both red or both as
  blue as a quasar. Tidal tails or shells around them make it more likely.
- A peak that is the point-spread function and nothing else (round, with spikes, of a colour
  that no galaxy has) is a star until shown otherwise.
- Many knots are never two nuclei. Count: two may be nuclei, five are star formation.
- Look in the reddest band: dust that cuts one nucleus in two fades there, a second nucleus
  stays.

A picture can only propose a dual AGN. Spectra, X-rays or radio decide; here the answer says
whether the object is worth them. If you cannot tell, say unsure rather than ordinary.
"""),
    classes=(
        _class(
            "1",
            "dual nucleus",
            _ORANGE,
            "Two compact peaks inside one envelope, of comparable colour and not too different in"
            " brightness (up to about 3 magnitudes). Signs of a merger support it.",
        ),
        _class(
            "2",
            "foreground star",
            _SKY,
            "One peak is a star of the Milky Way: it has the shape of the point-spread function,"
            " often spikes, no envelope of its own, and a colour unlike the galaxy's.",
        ),
        _class(
            "3",
            "chance neighbour",
            _BLUE,
            "Two galaxies in line of sight: each has a profile of its own, the outskirts overlap"
            " smoothly, nothing is disturbed; size and colour may say that one lies far behind.",
        ),
        _class(
            "4",
            "clumpy disc",
            _GREEN,
            "Star-forming knots (H II regions) along arms or over a disc, blue and several, often"
            " off the centre of the light at red wavelengths.",
        ),
        _class(
            "5",
            "dust lane",
            _VERMILION,
            "One nucleus or bulge cut by a dark band. The halves are of equal colour on either"
            " side, and the cut fades in the reddest band.",
        ),
        _class(
            "6",
            "merger, one nucleus",
            _PURPLE,
            "Tails, shells or bridges, but only one nucleus can be seen; or the two galaxies are"
            " still apart, each with its own envelope.",
        ),
        _class(
            "7",
            "artefact",
            _YELLOW,
            "The second peak is not in the sky: a cosmic ray (sharper than the point-spread"
            " function), a ghost, a spike, a bad subtraction, in one band only.",
        ),
        _class(
            "8",
            "ordinary",
            _GREY,
            "One nucleus and nothing that looks like a second one.",
        ),
    ),
    tags=("tidal features", "point-like nuclei", "one nucleus much redder", "spectrum wanted"),
)

_LENSES = Template(
    about="Strong gravitational lenses, among rings, arms and chance arcs",
    question="Is this a strong gravitational lens?",
    target="lens",
    guideline=_prose("""\
A lens has a deflector (nearly always a red, smooth, massive galaxy or a group) and
images of one source behind it.

- Arcs bend around the deflector: their centre of curvature lies on it.
- Images of one source share its colour, mostly bluer than the deflector. Two arcs of different
  colours are two things.
- Look for the counter-image on the other side, closer in and fainter.
- The Einstein radius of a single galaxy is 0.5 to 3 arcsec, that of a group up to 10.
- Arms begin at a centre or at the ends of a bar and wind outwards; arcs do neither.
"""),
    classes=(
        _class(
            "1",
            "lens",
            _ORANGE,
            "An arc or several images around a red deflector, with a counter-image or a ring;"
            " nothing else explains it.",
        ),
        _class(
            "2",
            "possible lens",
            _YELLOW,
            "A tangential feature of the right colour and radius, but no counter-image, or too"
            " faint to be sure. Worth a better picture.",
        ),
        _class(
            "3",
            "spiral arms",
            _SKY,
            "Arms that wind out from the centre or from a bar, often with knots, around a disc.",
        ),
        _class(
            "4",
            "ring galaxy",
            _BLUE,
            "A ring of stars that belongs to the galaxy: resonance or collisional, in the plane"
            " of the disc, often knotty and elliptical as the disc is.",
        ),
        _class(
            "5",
            "merger or tidal arc",
            _PURPLE,
            "Tails and shells: they reach the galaxy, broaden outwards, and have its colour.",
        ),
        _class(
            "6",
            "chance alignment",
            _GREEN,
            "Neighbours, an edge-on galaxy or a pair of stars that happen to lie beside a red"
            " galaxy; straight, or not turned around it.",
        ),
        _class(
            "7",
            "artefact",
            _VERMILION,
            "Ghosts, halos of bright stars, spikes, bad subtractions of the deflector.",
        ),
        _class("8", "nothing", _GREY, "No arc, ring or multiple image at all."),
    ),
    tags=("group or cluster", "quadruple", "ring", "lensed quasar"),
)

_MERGERS = Template(
    about="Galaxies that merge or just have, among pairs that only look close",
    question="Is this galaxy merging?",
    target="merger",
    guideline=_prose("""\
What makes a merger is disturbance, not nearness: tails, bridges, shells, a warped or
lopsided disc. Two round galaxies side by side are a pair until something between them says
otherwise.

Faint features decide: look at the low-surface-brightness stretch before you answer. A shallow
picture hides tails, so undisturbed means "nothing is seen at this depth".
"""),
    classes=(
        _class(
            "1",
            "merger",
            _ORANGE,
            "Two galaxies that disturb each other: tails, a bridge, or a common distorted"
            " envelope with two bodies in it.",
        ),
        _class(
            "2",
            "post-merger",
            _VERMILION,
            "One body with what a merger left behind: shells, loops, tails without a partner, a"
            " second peak close to the centre.",
        ),
        _class(
            "3",
            "close pair",
            _YELLOW,
            "Two galaxies of similar size and colour within a few radii, neither of them"
            " disturbed.",
        ),
        _class(
            "4",
            "chance neighbour",
            _SKY,
            "Neighbours that differ in size, sharpness and colour as things at different"
            " distances do; nothing is disturbed.",
        ),
        _class(
            "5",
            "irregular or clumpy",
            _GREEN,
            "Uneven by itself: knots of star formation, a dwarf irregular, strong dust. No tails.",
        ),
        _class(
            "6", "artefact", _PURPLE, "Ghosts, trails, a bad subtraction, an edge of the data."
        ),
        _class("7", "undisturbed", _GREY, "A regular galaxy, alone."),
    ),
    tags=("tidal tail", "bridge", "shells", "two nuclei", "minor companion"),
)

_ARTEFACTS = Template(
    about="Pictures that cannot be used, with what spoilt them as tags",
    question="Is this picture spoilt?",
    target="artefact",
    guideline=_prose("""\
Judge the data, not the object. An odd galaxy in a good picture is clean; an ordinary one
under a satellite trail is an artefact.

Say by tags what spoilt it, as many as apply. Compare the bands: what is in one of them only
did not come from the sky.
"""),
    classes=(
        _class(
            "1",
            "artefact",
            _ORANGE,
            "The object, or what surrounds it, cannot be measured or is not real.",
        ),
        _class(
            "2",
            "doubtful",
            _SKY,
            "Something is wrong, but away from the object, or too faint to matter for most uses.",
        ),
        _class("3", "clean", _GREY, "The picture shows the sky and nothing else."),
    ),
    tags=(
        *("satellite or aircraft trail", "cosmic ray", "diffraction spike", "ghost or halo"),
        *("saturation or bleeding", "edge or missing data", "bands out of register"),
        *("bad sky or bad subtraction", "noise", "compression"),
    ),
)

_MARKS = (
    (_GREY, "Boring: there are thousands of these."),
    (_PALE, "Ordinary, though pretty or well resolved."),
    (_SKY, "Uncommon: would stand out among a hundred."),
    (_GREEN, "Unusual: I would show it to a colleague."),
    (_YELLOW, "Rare: I would look for a spectrum of it."),
    (_ORANGE, "Extraordinary: I have never seen this, or it should be observed this season."),
)
_INTEREST = Template(
    about="One scale from boring to extraordinary, on the keys 0 to 5",
    question="How interesting is this?",
    target="5",
    guideline=_prose("""\
Your own judgement is asked for, and quickly: the first impression is the most repeatable one.
Use the whole scale. An artefact is 0, however odd it looks.

If you cannot say what you are looking at, that is a reason for a high mark, not for unsure.
"""),
    classes=tuple(
        _class(str(mark), str(mark), colour, words) for mark, (colour, words) in enumerate(_MARKS)
    ),
    tags=("artefact", "unknown kind"),
)


def _question(name: str, text: str, *answers: tuple[str, str, str]) -> dict[str, Any]:
    """A question of a tree; an answer is (its text, "next" or "class", where it leads)."""
    led = [{"text": words, where: to} for words, where, to in answers]
    return {"id": name, "text": text, "answers": led}


# Galaxy Zoo asks for odd things last; here they come first, since a class is where a way ends
# and the odd ones are what a search is for.
_ZOO_TREE = {
    "start": "odd",
    "questions": [
        _question(
            "odd",
            "Is there anything odd about it?",
            ("No", "next", "smooth"),
            ("Yes", "next", "which"),
            ("It is a star or an artefact", "class", "star or artefact"),
        ),
        _question(
            "smooth",
            "Is it smooth, with no sign of a disc?",
            ("Smooth", "next", "round"),
            ("Features or a disc", "next", "edge-on"),
        ),
        _question(
            "round",
            "How round is it?",
            ("Completely round", "class", "smooth, round"),
            ("In between", "class", "smooth, oval"),
            ("Cigar-shaped", "class", "smooth, cigar-shaped"),
        ),
        _question(
            "edge-on",
            "Is it a disc seen edge-on?",
            ("Yes", "class", "edge-on disc"),
            ("No", "next", "bar"),
        ),
        _question(
            "bar",
            "Is there a bar through the centre?",
            ("Yes", "next", "arms of a barred disc"),
            ("No", "next", "arms"),
        ),
        _question(
            "arms of a barred disc",
            "Are there spiral arms?",
            ("Yes", "class", "barred spiral"),
            ("No", "class", "barred disc, no arms"),
        ),
        _question(
            "arms",
            "Are there spiral arms?",
            ("Yes", "class", "spiral"),
            ("No", "class", "disc, no arms"),
        ),
        _question(
            "which",
            "What is odd?",
            ("It merges", "class", "merger"),
            ("A ring", "class", "ring"),
            ("A lens or an arc", "class", "lens or arc"),
            ("It is disturbed or irregular", "class", "disturbed or irregular"),
            ("A dust lane", "class", "dust lane"),
            ("Something else", "class", "something else"),
        ),
    ],
}
_ZOO_CLASSES = {
    "merger": (_ORANGE, "Two bodies that disturb each other, or one with fresh tails."),
    "ring": (_VERMILION, "A closed ring of light, with or without a nucleus inside."),
    "lens or arc": (_YELLOW, "An arc or several images of one colour around a red galaxy."),
    "disturbed or irregular": (_PURPLE, "Lopsided, warped, or without any order."),
    "dust lane": (_BLUE, "A dark band across the light."),
    "something else": (_SKY, "Odd, and none of the above; leave a note that says what."),
    "star or artefact": (_GREY, "Not a galaxy: a star, a trail, a ghost, noise."),
    "smooth, round": (_GREEN, "As long as it is wide."),
    "smooth, oval": (_GREEN, "Longer than wide, up to about twice."),
    "smooth, cigar-shaped": (_GREEN, "More than about twice as long as wide, and no disc."),
    "edge-on disc": (_PALE, "A thin line of light, perhaps with a bulge or a dust lane in it."),
    "barred spiral": (_SKY, "A straight bar, with arms that mostly begin at its ends."),
    "barred disc, no arms": (_SKY, "A straight bar in a disc without arms."),
    "spiral": (_BLUE, "Arms in a disc without a bar; however tight or faint."),
    "disc, no arms": (_PALE, "A disc with a bulge and nothing else: lenticular, or too far away."),
}
_GALAXY_ZOO = Template(
    about="A few questions after each other, as Galaxy Zoo asks them",
    question="What kind of galaxy is this?",
    target="merger",
    guideline=_prose("""\
Answer each question for what can be seen, not for what you know of such galaxies. A faint
arm is an arm. If a picture is too poor for a question, say unsure.

The object in question is the one at the centre; neighbours count only where they touch it.
"""),
    classes=tuple(
        _class("", name, colour, words) for name, (colour, words) in _ZOO_CLASSES.items()
    ),
    tree=_ZOO_TREE,
)

TEMPLATES: Mapping[str, Template] = {
    "dual AGN": _DUAL_AGN,
    "lenses": _LENSES,
    "mergers": _MERGERS,
    "artefacts": _ARTEFACTS,
    "interesting 0-5": _INTEREST,
    "Galaxy Zoo tree": _GALAXY_ZOO,
}
