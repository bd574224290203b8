"""A row of a table as a picture: its most unusual values and where they lie among all."""

from __future__ import annotations

import io
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from pages._server.drawn_values import Value

__all__ = ["draw_card"]

_Colour = tuple[int, int, int]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_MOST_LETTERS = 200
_SAMPLES = 2
"""Drawn so many times as large and made smaller: Pillow's shapes have hard edges."""
_FAR, _OUT = 0.01, 0.1
"""Shares of the objects below which a value is drawn as far out, and as out."""


@dataclass(frozen=True)
class _Colours:
    ground: _Colour
    title: _Colour
    value: _Colour
    faint: _Colour
    strip: _Colour
    usual: _Colour
    out: _Colour
    far: _Colour


# Grounds and inks of `core.display.spectrum`, so that both sorts of drawing look alike.
_DARK = _Colours(
    (14, 17, 23),
    (232, 236, 242),
    (205, 210, 218),
    (150, 158, 170),
    (56, 64, 78),
    (150, 158, 170),
    (120, 200, 255),
    (240, 170, 70),
)
_LIGHT = _Colours(
    (255, 255, 255),
    (20, 24, 30),
    (40, 44, 52),
    (96, 103, 114),
    (208, 213, 221),
    (120, 126, 136),
    (10, 80, 150),
    (190, 100, 0),
)


def draw_card(
    object_id: str, values: Sequence[Value], size_px: int, *, dark: bool = True
) -> bytes:
    """PNG of a square card: the object_id, then the first of `values`, as many as there is room.

    A strip under a value goes from the lowest of all objects to the highest, with the middle
    marked and a point where this one lies; under a word it is filled as far as the share of the
    objects that have it. Below 100 px only the strips are drawn: words could not be read.
    """
    colours = _DARK if dark else _LIGHT
    picture = Image.new("RGB", (size_px * _SAMPLES, size_px * _SAMPLES), colours.ground)
    card = _Card(ImageDraw.Draw(picture), size_px, colours)
    if size_px < 100:
        card.strips_only(values)
    else:
        card.whole(object_id, values)
    target = io.BytesIO()
    small = picture.resize((size_px, size_px), Image.Resampling.BOX)
    small.save(target, format="PNG", compress_level=3)
    return target.getvalue()


class _Card:
    def __init__(self, canvas: ImageDraw.ImageDraw, size_px: int, colours: _Colours) -> None:
        self.canvas, self.size, self.colours = canvas, size_px * _SAMPLES, colours
        self.letter = _SAMPLES * max(10, round(11 + (size_px - 256) / 64))
        self.margin = _SAMPLES * max(4, size_px // 32)
        self.has_numbers = size_px >= 400  # room for places in words
        self.has_foot = size_px >= 200  # and for how many values are left out

    def whole(self, object_id: str, values: Sequence[Value]) -> None:
        letter, margin = self.letter, self.margin
        left, right = margin, self.size - margin
        head = ImageFont.load_default(round(letter * 1.2))
        font = ImageFont.load_default(letter)
        self._text((left, margin), object_id, head, self.colours.title, right - left, middle=True)
        top = margin + letter * 2.0
        step = letter * 2.25
        foot = letter * 1.5
        fits = max(1, int((self.size - margin - top) // step))
        if len(values) > fits and self.has_foot:
            fits = max(1, int((self.size - margin - top - foot) // step))
        for place, value in enumerate(values[:fits]):
            self._row(value, top + place * step, font)
        if len(values) > fits and self.has_foot:
            words = f"and {len(values) - fits:,} more, less unusual"
            at = (left, self.size - margin - letter)
            self._text(at, words, font, self.colours.faint, right - left)
        if not values:
            words = "no value in its row"
            self._text((left, top), words, font, self.colours.faint, right - left)

    def strips_only(self, values: Sequence[Value]) -> None:
        step = self.size / 8
        compared = [one for one in values if one.place is not None or one.share is not None]
        for place, value in enumerate(compared[: int((self.size - self.margin) // step)]):
            y = self.margin + (place + 0.4) * step
            self._strip(value, self.margin, self.size - self.margin, y)

    def _row(self, value: Value, y: float, font: _Font) -> None:
        left, right = self.margin, self.size - self.margin
        width = right - left
        shown = self._fitted(value.text, font, width * 0.6)
        taken = self.canvas.textlength(shown, font=font)
        colour = self._colour(value) if value.unusual < _OUT else self.colours.value
        self.canvas.text((right, y), shown, colour, font, anchor="ra")
        self._text((left, y), value.name, font, self.colours.faint, width - taken - self.letter)
        if value.place is None and value.share is None:
            return
        end: float = right
        under = y + self.letter * 1.55
        if self.has_numbers:
            small = ImageFont.load_default(round(self.letter * 0.75))
            words = _placed(value)
            end -= self.canvas.textlength("above 99.9 %   ", font=small)
            self.canvas.text((right, under), words, self.colours.faint, small, anchor="rm")
        self._strip(value, left, end, under)

    def _strip(self, value: Value, left: float, right: float, y: float) -> None:
        thick = max(1.0, self.letter / 10)
        line = (left, y - thick / 2, right, y + thick / 2)
        self.canvas.rectangle(line, self.colours.strip)
        colour = self._colour(value)
        radius = self.letter * 0.24
        if value.place is None:
            filled = left + max(radius, (right - left) * (value.share or 0.0))
            self.canvas.rectangle((left, y - radius / 2, filled, y + radius / 2), colour)
            return
        middle = (left + right) / 2
        self.canvas.rectangle(
            (middle - thick / 2, y - radius, middle + thick / 2, y + radius), self.colours.strip
        )
        x = left + radius + (right - left - 2 * radius) * value.place
        self.canvas.ellipse((x - radius, y - radius, x + radius, y + radius), colour)

    def _colour(self, value: Value) -> _Colour:
        if value.unusual < _FAR:
            return self.colours.far
        return self.colours.out if value.unusual < _OUT else self.colours.usual

    def _text(
        self,
        at: tuple[float, float],
        text: str,
        font: _Font,
        colour: _Colour,
        width: float,
        *,
        middle: bool = False,
    ) -> None:
        self.canvas.text(at, self._fitted(text, font, width, middle=middle), colour, font)

    def _fitted(self, text: str, font: _Font, width: float, *, middle: bool = False) -> str:
        """What of the text fits, with "..." for what does not (in the middle, or at the end)."""
        text = _drawable(text)
        if self.canvas.textlength(text, font=font) <= width:
            return text

        def shorter(kept: int) -> str:
            head = (kept + 1) // 2 if middle else kept
            return f"{text[:head]}...{text[len(text) - (kept - head) :] if kept > head else ''}"

        def is_too_long(kept: int) -> bool:
            return self.canvas.textlength(shorter(kept), font=font) > width

        most = min(len(text), _MOST_LETTERS)
        kept = bisect_left(range(most), True, key=is_too_long) - 1
        return shorter(kept) if kept > 0 else ""


def _placed(value: Value) -> str:
    if value.place is None:
        return f"{_percent(value.share or 0.0)} have it"
    return f"above {_percent(value.place)}"


def _percent(share: float) -> str:
    """Never rounded up to all, nor down to none."""
    percent = 100 * share
    if 0 < percent < 0.1:
        return "0.1 %"
    if 99.9 < percent < 100:
        return "99.9 %"
    return f"{percent:.1f} %" if percent < 1 or percent > 99 else f"{percent:.0f} %"


def _drawable(text: str) -> str:
    """The text in letters that Pillow's own font has: accents left off, Greek spelled out."""
    text = " ".join(text[: 4 * _MOST_LETTERS].split())
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_letter, unicodedata.normalize("NFKD", text)))


def _letter(one: str) -> str:
    if one.isascii():
        return one if one.isprintable() else " "
    if unicodedata.combining(one):
        return ""
    script, _, rest = unicodedata.name(one, "").partition(" ")
    name = rest.rpartition("LETTER ")[2]
    if script == "GREEK" and name.isalpha():
        return name.capitalize() if "CAPITAL" in rest else name.lower()
    return {"\u2212": "-", "\u2013": "-", "\u2014": "-", "\u00b0": "\u00b0"}.get(one, "?")
