"""Arrays to pictures: stretches, colour composites, PNG."""

from core.display.render import encode_png, render_png
from core.display.stretch import to_rgb

__all__ = ["encode_png", "render_png", "to_rgb"]
