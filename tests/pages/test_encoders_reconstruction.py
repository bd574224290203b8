"""The view Reconstructions: pairs of pictures by object, walks, correlations, lengths, the job."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.representation import embed
from core.representation.compression import LatentError
from core.representation.reconstruction import coded_sample, rebuilder, rebuilding_runs
from core.run import _parser
from core.vocabulary import JobKind, Role
from pages._server.identity import Identity, install_resolver
from pages._shared import encoders_reconstruction as panel
from pages._shared.encoders_reconstruction_figures import (
    as_rgb,
    correlations,
    error_curves,
    error_histogram,
    latent_scatter,
    traversal_sheet,
)
from tests.pages.conftest import IDS


def draw_panel() -> None:
    """Runs in AppTest's own script."""
    from pages._server.services import services
    from pages._shared.encoders_reconstruction import draw_reconstructions

    draw_reconstructions(services().survey("tiny"))


def drawn(part: str = "Pictures") -> AppTest:
    script = AppTest.from_function(draw_panel, default_timeout=60)
    script.session_state["reconstruction part"] = part
    script.run()
    assert not script.exception, script.exception
    return script


def markup(script: AppTest) -> str:
    return " ".join(str(one.proto.body) for one in script.get("html"))


@pytest.fixture
def tiny(services):
    survey = services.survey("tiny")
    embed(survey, "pca", options={"components": 3, "size_px": 8})
    return survey


def test_nothing_that_rebuilds_is_told_with_the_commands(services):
    script = drawn()
    code = script.code[0].value
    assert "python -m core.run embed tiny --encoder pca" in code
    for line in code.splitlines():
        _parser().parse_args(line.split()[3:])
    assert "core.run compress tiny" in drawn("Length of codes").code[0].value
    assert "core.run embed tiny" in drawn("Features").code[0].value


def test_pictures_come_worst_first_with_their_ids_escaped(tiny):
    script = drawn()
    told = markup(script)
    (run,) = rebuilding_runs(tiny)
    sample = coded_sample(rebuilder(tiny, run), tiny, np.arange(len(IDS)))
    worst = [IDS[row] for row in np.argsort(-sample.errors)]
    names = [one.split("<")[0] for one in told.split('<div class="id">')[1:]]
    assert names == [one.replace("&", "&amp;").replace("<b>", "&lt;b&gt;") for one in worst]
    assert told.count("<img") == 2 * len(IDS)
    script.segmented_control(key="reconstruction order").set_value("Best first").run()
    again = [one.split("<")[0] for one in markup(script).split('<div class="id">')[1:]]
    assert again == names[::-1]


def test_errors_and_the_sheet_can_be_taken_away(tiny):
    (run,) = rebuilding_runs(tiny)
    model = rebuilder(tiny, run)
    sample = coded_sample(model, tiny, np.arange(len(IDS)))
    table = pd.read_csv(io.StringIO(panel._csv(tiny, sample)))
    assert set(table["object_id"]) == set(IDS)
    assert table["reconstruction_error"].is_monotonic_decreasing
    found = panel.reconstructions(model, tiny, np.arange(len(IDS)))
    sheet = np.asarray(Image.open(io.BytesIO(panel._sheet(found, True))))
    assert sheet.shape == (2 * 8, 6 * 16, 3)
    np.testing.assert_array_equal(sheet[8:, 32:40], as_rgb(found.originals, True)[8])
    np.testing.assert_array_equal(sheet[:8, 8:16], as_rgb(found.rebuilt, True)[0])


def test_codes_are_walked_from_an_object_and_a_wrong_one_is_told(tiny):
    script = drawn("Codes")
    assert len(script.get("plotly_chart")) == 1 + 3  # three numbers make three pairs
    script.text_input[0].set_value("g2").run()
    assert not script.exception
    assert not script.error
    script.text_input[0].set_value("nobody").run()
    assert "nobody" in script.error[0].value


def test_features_of_an_embedding_are_correlated(tiny):
    script = drawn("Features")
    assert len(script.get("plotly_chart")) == 1
    assert "Mean absolute correlation" in script.caption[0].value


def test_only_the_owner_starts_a_comparison(tiny, services, monkeypatch):
    started = []

    def start_job(*arguments):
        started.append(arguments)
        return True

    monkeypatch.setattr(services.children, "start_job", start_job)
    script = drawn("Length of codes")
    script.button[0].click().run()
    assert not script.exception, script.exception
    ((kind, survey, arguments),) = started
    assert (kind, survey) == (JobKind.COMPRESS, "tiny")
    understood = _parser().parse_args(["compress", *arguments])
    assert understood.kinds == ["pca", "ica", "nmf", "autoencoder"]
    assert (understood.latent, understood.depth) == ([8, 16, 32, 64], [3])
    assert understood.minutes == 5
    install_resolver(lambda _: Identity("vic", "vic", Role.VIEWER))
    assert not drawn("Length of codes").button


def test_the_sheet_of_walks_has_each_picture_in_its_place():
    pictures = np.random.default_rng(0).random((2, 3, 1, 5, 5))
    figure = traversal_sheet(pictures, ["4", "1"], [-3.0, 0.0, 3.0], False)
    sheet = np.asarray(figure.data[0].z)
    cell = np.rint(pictures[1, 2, 0] * 255).astype(np.uint8)
    np.testing.assert_array_equal(sheet[7:12, 14:19, 1], cell)
    assert sheet[5:7].max() == 0
    assert list(figure.layout.xaxis.ticktext) == ["-3", "0", "+3"]
    assert list(figure.layout.yaxis.ticktext) == ["4", "1"]


def test_pictures_of_any_bands_become_rgb():
    one = np.full((1, 1, 2, 2), 0.5)
    assert (as_rgb(one, False) == 128).all()
    blue_to_red = np.stack([np.full((2, 2), level) for level in (0.0, 0.5, 1.0)])[None]
    assert as_rgb(blue_to_red, False)[0, 0, 0].tolist() == [255, 128, 0]
    assert as_rgb(blue_to_red, True)[0, 0, 0].tolist() == [0, 128, 255]
    assert as_rgb(np.zeros((2, 5, 4, 4)), False).shape == (2, 4, 4, 3)


def test_figures_hold_what_they_are_given():
    errors = np.geomspace(1e-4, 1e-2, 50)
    assert sum(error_histogram(errors).data[0].y) == 50
    assert sum(error_histogram(np.full(5, 1e-3)).data[0].y) == 5
    codes = np.random.default_rng(0).normal(size=(3, 4))
    points = latent_scatter(codes, (1, 3), ["a", "<b>", "c"], errors[:3]).data[0]
    np.testing.assert_array_equal(points.y, codes[:, 3])
    assert list(points.customdata) == ["a", "<b>", "c"]
    assert points.text[1] == "&lt;b&gt;"
    assert np.shape(correlations(np.eye(300)).data[0].z) == (256, 256)
    fits = [
        LatentError("pca", latent, None, seed, 0.1 / latent + 0.001 * seed, 0.0, 0.2, 1.0)
        for latent in (2, 4)
        for seed in (0, 1)
    ]
    curve, without = error_curves(fits).data
    np.testing.assert_allclose(curve.y, [0.0505, 0.0255])
    np.testing.assert_allclose(curve.error_y.array, [0.0005, 0.0005])
    assert list(without.y) == [0.2, 0.2]
