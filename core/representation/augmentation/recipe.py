"""How much of each augmentation a view gets, and the recipes that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import BadInput
from core.representation.augmentation import exposure, geometry, pasted  # noqa: F401 (registration)
from core.representation.augmentation.seam import AUGMENTATIONS, Dose, checked_name, in_order

_TURNS = {"flip": Dose(1.0, 0.5), "quarter_turn": Dose(1.0)}
_ANY_TURN = {**_TURNS, "rotation": Dose(1.0)}
_STANDARD = {
    **_ANY_TURN,
    "zoom": Dose(0.14),
    "shift": Dose(0.05),
    "reddening": Dose(0.1, 0.5),
    "brightness": Dose(0.3),
    "colour": Dose(0.03),
    "noise": Dose(1.5),
}


@dataclass(frozen=True)
class ViewRecipe:
    """A dose of each augmentation, "standard" unless told; what is not named does not happen.

    Raises
    ------
    BadInput
        An augmentation of that name is not known.
    """

    doses: Mapping[str, Dose] = field(default_factory=lambda: dict(_STANDARD))

    def __post_init__(self) -> None:
        for name in self.doses:
            checked_name(name)

    def dose(self, name: str) -> Dose:
        """Of one augmentation; of amount 0 where it does not happen."""
        return self.doses.get(checked_name(name), Dose(0.0))

    @property
    def given(self) -> tuple[str, ...]:
        """The augmentations that happen, in their order."""
        return tuple(one.name for one in in_order() if self.dose(one.name).given)

    def times(self, strength: float) -> ViewRecipe:
        """All amounts so many times as large; turns and flips as they are, also at 0."""
        return ViewRecipe(
            {
                name: Dose(dose.amount * strength, dose.probability)
                if AUGMENTATIONS[name].scales
                else dose
                for name, dose in self.doses.items()
            }
        )

    def without(self, *names: str) -> ViewRecipe:
        """The same but for these; the draws of the others stay as they were."""
        left_out = {checked_name(name) for name in names}
        return ViewRecipe({n: dose for n, dose in self.doses.items() if n not in left_out})

    def as_dict(self) -> dict[str, Any]:
        return {name: [dose.amount, dose.probability] for name, dose in self.doses.items()}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> ViewRecipe:
        """Of what `as_dict` gave."""
        try:
            doses = {n: Dose(float(amount), float(p)) for n, (amount, p) in settings.items()}
        except (AttributeError, TypeError, ValueError):
            raise BadInput(
                "A recipe holds an amount and a probability for each augmentation, but came"
                f" {str(settings)[:200]}; correct it."
            ) from None
        return cls(doses)


PRESETS: dict[str, ViewRecipe] = {
    "none": ViewRecipe(_TURNS),
    "weak": ViewRecipe(
        {
            **_ANY_TURN,
            "zoom": Dose(0.07),
            "shift": Dose(0.03),
            "reddening": Dose(0.05, 0.5),
            "brightness": Dose(0.15),
            "colour": Dose(0.015),
            "noise": Dose(1.2),
        }
    ),
    "standard": ViewRecipe(_STANDARD),
    "strong": ViewRecipe(
        {
            **_ANY_TURN,
            "zoom": Dose(0.25),
            "shift": Dose(0.1),
            "neighbours": Dose(0.5, 0.3),
            "reddening": Dose(0.3, 0.7),
            "blur": Dose(1.5, 0.5),
            "brightness": Dose(0.45),
            "colour": Dose(0.06),
            "sky_gradient": Dose(1.0, 0.5),
            "noise": Dose(2.5),
            "artefacts": Dose(1.0, 0.2),
        }
    ),
}
"""By strength. "none" keeps every pixel (quarter turns and flips); only "strong" has what could
hide a rare object: blur, slopes, neighbours and artefacts."""

DEFAULT_PRESET = "standard"


def preset(name: str) -> ViewRecipe:
    """The recipe of that name, else `BadInput`."""
    if name not in PRESETS:
        raise BadInput(
            f"The augmentations come as {', '.join(PRESETS)}, but {name!r} was asked for; choose"
            " one of these."
        )
    return PRESETS[name]
