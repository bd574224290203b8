"""The views of the user's own objects: what may be chosen, and what is shown for it."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.survey import Batch, SurveyWriter
from pages._shared.encoders_views import _pictures
from tests.pages.conftest import IDS


def draw_panel(name: str) -> None:
    """Runs in AppTest's own script."""
    from pages._server.services import services
    from pages._shared.encoders_views import draw_views

    draw_views(services().survey(name))


def draw(name: str = "tiny") -> AppTest:
    script = AppTest.from_function(draw_panel, args=(name,), default_timeout=30).run()
    assert not script.exception
    return script


def named(elements, label: str):
    return next(one for one in elements if one.label == label)


def html_of(script: AppTest) -> str:
    return "".join(element.proto.body for element in script.get("html"))


def pictures_of(script: AppTest) -> list[str]:
    return re.findall(r'src="data:image/png;base64,([^"]+)"', html_of(script))


def done(script: AppTest) -> AppTest:
    assert not script.exception
    return script


def test_objects_as_they_are_and_seven_views_of_each(services):
    script = draw()
    shown = html_of(script)
    assert len(pictures_of(script)) == 4 * 8
    assert shown.count("<figcaption>as it is</figcaption>") == 4
    for encoded in pictures_of(script)[:3]:
        assert Image.open(io.BytesIO(base64.b64decode(encoded))).size == (128, 128)
    command = "python -m core.run pretrain tiny --augmentation standard --workspace /"
    assert script.code[0].value.startswith(command)
    assert "Dust of the Milky Way" in shown
    assert shown.index("moved by up to 5.0% of the side") < shown.index("left out")


def test_the_same_views_until_they_are_drawn_again(services):
    script = draw()
    first = pictures_of(script)
    assert pictures_of(done(script.run())) == first
    again = pictures_of(done(named(script.button, "Draw views again").click().run()))
    assert again[::8] == first[::8]  # the objects stay
    assert again[1] != first[1]
    others = pictures_of(done(named(script.button, "Other objects").click().run()))
    assert others[::8] != first[::8]


def test_one_augmentation_left_out_leaves_the_others(services):
    script = draw()
    first = pictures_of(script)
    pills = named(script.get("button_group"), "Which of them")
    assert "Quarter turn" in pills.options
    pills.set_value([one for one in pills.value if one not in ("noise", "brightness")])
    done(script.run())
    assert "--without brightness --without noise --workspace" in script.code[0].value
    assert pictures_of(script)[1] != first[1]


def test_strength_and_preset_are_those_of_the_command(services):
    script = draw()
    named(script.get("button_group"), "Augmentations").set_value("strong").run()
    done(named(script.slider, "Strength").set_value(0.5).run())
    assert "--augmentation strong --augmentation-strength 0.5" in script.code[0].value
    assert "50% of the objects" in html_of(script)
    assert any("may hide what is rare" in one.value for one in script.caption)


def test_objects_by_id_and_residuals(services):
    script = draw()
    done(named(script.text_input, "By id").set_value(f"g3, {IDS[-1]}, nope").run())
    shown = html_of(script)
    assert "g3" in shown
    assert "<b>g" not in shown
    assert "&lt;b&gt;" in shown  # the id is text, whatever it holds
    assert len(pictures_of(script)) == 2 * 8
    assert "nope" in script.warning[0].value
    done(named(script.toggle, "Residuals").set_value(True).run())
    assert len(pictures_of(script)) == 2 * 8 * 3
    done(named(script.text_input, "By id").set_value(IDS[-1]).run())  # spaces in it
    assert len(pictures_of(script)) == 8 * 3


@pytest.mark.parametrize("bands", [("F814W",), ("g", "r"), ("u", "g", "r", "i", "z")])
def test_measured_pictures_of_any_number_of_bands(services, bands):
    images = np.random.default_rng(0).normal(5, 1, (6, len(bands), 20, 20)).astype(np.float32)
    images[2, :, :10] = np.nan
    images[3] = 7.0
    with SurveyWriter(
        services.workspace,
        "measured",
        bands=bands,
        cutout_size_px=20,
        dtype="float32",
        origin="made for a test",
        licence="none",
    ) as writer:
        writer.append(
            Batch(object_ids=[f"m{i}" for i in range(6)], images=images, columns=[{}] * 6)
        )
        writer.commit()
    script = draw("measured")
    done(named(script.number_input, "Objects").set_value(6).run())
    done(named(script.selectbox, "Pixel scaling").set_value("minmax").run())
    assert len(pictures_of(script)) == 6 * 8


def test_a_survey_without_pictures_says_so(services):
    with SurveyWriter(
        services.workspace,
        "table",
        bands=(),
        cutout_size_px=0,
        dtype="float32",
        origin="made for a test",
        licence="none",
    ) as writer:
        writer.append(Batch(object_ids=["a", "b"], images=None, columns=[{"z": 0.1}] * 2))
        writer.commit()
    script = draw("table")
    assert "has no pictures" in script.markdown[0].value
    assert not pictures_of(script)


def test_colours_are_those_of_the_bands():
    """Of measured bands the last is red; of R, G, B the first is."""
    channels = np.zeros((7, 4, 4), np.float32)
    channels[2] = 1.0
    for as_rgb, expected in ((False, (255, 0, 0)), (True, (0, 0, 255))):
        bands, asymmetry, sharp = _pictures(channels, as_rgb=as_rgb)
        data = base64.b64decode(bands[1].partition(",")[2])
        assert Image.open(io.BytesIO(data)).getpixel((60, 60)) == expected
        for grey in (asymmetry, sharp):  # nothing there
            data = base64.b64decode(grey[1].partition(",")[2])
            assert Image.open(io.BytesIO(data)).getpixel((60, 60)) == (128, 128, 128)
