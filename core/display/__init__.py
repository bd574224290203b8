"""Arrays to pictures: looks, stretches, colour composites, PNG."""

from core.display.colourmaps import COLOUR_MAPS, colour_map
from core.display.composing import (
    Planes,
    look_levels,
    painted,
    render_look,
    residual_of,
    stretched_planes,
)
from core.display.look import COLOURS, LIMITS, STRETCHES, Look
from core.display.render import encode_png, render_png
from core.display.stretch import to_rgb

__all__ = [
    "COLOURS",
    "COLOUR_MAPS",
    "LIMITS",
    "STRETCHES",
    "Look",
    "Planes",
    "colour_map",
    "encode_png",
    "look_levels",
    "painted",
    "render_look",
    "render_png",
    "residual_of",
    "stretched_planes",
    "to_rgb",
]
