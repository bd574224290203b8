"""The Map page as it is drawn, its sources, and what Plotly's lasso says."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from core.errors import NotReady
from core.survey import RunFolder
from core.vocabulary import JobKind
from pages._server.filters import Filtered
from pages._server.map_colours import Paint
from pages._shared import map_fallback
from pages._shared.map_fallback import outline_of
from pages.components.map import ENTRY, FOLDER, source
from tests.pages.conftest import embed
from tests.pages.kit import open_page, press, text_of

DECLARED = re.compile(
    r"^(?:export default )?(?:async )?(?:class|const|let|function\*?) (\w+)", re.M
)


@pytest.fixture
def mapped(services, tiny):
    embed(tiny)
    config = {"projection": "umap", "embedding_run": services.embedding(tiny).run_id}
    with RunFolder(tiny, JobKind.MAP, config) as run:
        places = np.arange(18, dtype=np.float32).reshape(9, 2)
        places[3] = np.nan
        np.save(run.path / "map.npy", places)
    return run.run_id


# The page


def test_objects_without_a_place_are_counted(mapped):
    assert "1 object has no embedding" in text_of(open_page("map", {"task": "dual"}))


def test_a_selection_of_the_link_opens_below_and_one_that_is_gone_can_be_put_away(
    mapped, services, tiny
):
    kept = services.selections.add(tiny, np.array([1, 4]), {"kind": "search"}, "ann")
    page = open_page("map", {"task": "dual", "selection": kept.id})
    assert not page.warning
    assert "2 objects" in text_of(page)
    page = open_page("map", {"task": "dual", "selection": "0" * 16})
    assert "selection" in page.warning[0].value
    page = press(page, "Forget this selection")
    assert not page.warning
    assert "Select with the lasso" in text_of(page)


def test_a_browser_without_webgl_gets_the_drawn_map_and_may_try_again(mapped, monkeypatch):
    page = open_page("map", {"task": "dual"}, {"map without WebGL": "missing"})
    assert "has no WebGL" in text_of(page)
    (colour,) = [one for one in page.selectbox if one.label == "Colour by"]
    assert colour.options == ["Answers", "Shown by sampler", "flux", "hole"]
    colour.set_value("column:flux").run()
    assert not page.exception

    def gone(*_args):
        raise NotReady("It has just gone.")

    monkeypatch.setattr(map_fallback, "paint", gone)
    page.run()
    assert [one.value for one in page.warning] == [r"It has just gone\."]
    page = press(page, "Try again with WebGL")
    assert "has no WebGL" not in text_of(page)


def test_plotlys_lasso_and_box_are_polygons():
    lasso = {"lasso": [{"x": [0, 1, 1], "y": [0, 0, 2]}], "box": []}
    assert np.array(outline_of(lasso)).tolist() == [[0, 0], [1, 0], [1, 2]]
    box = {"lasso": [], "box": [{"x": [0, 2], "y": [1, 3]}]}
    assert np.array(outline_of(box)).tolist() == [[0, 1], [2, 1], [2, 3], [0, 3]]
    assert outline_of({"lasso": [{"x": [0, 1], "y": [0, 1]}]}) is None
    assert outline_of({}) is None


def test_the_address_of_the_drawn_map_changes_with_its_colours():
    codes, legend = np.zeros(3, np.uint8), {"colours": ["#000000", "#ffffff"]}
    names = [map_fallback._named(Paint(one, legend)) for one in (codes, codes.copy(), codes + 1)]
    assert names[0] == names[1] != names[2]
    other = map_fallback._named(Paint(codes, {"colours": ["#000000", "#fffffe"]}))
    assert other != names[0]
    some = [Filtered((), np.arange(3) < n, "", {}) for n in (1, 1, 2)]
    names = [map_fallback._named(Paint(codes, legend), one) for one in (None, *some)]
    assert names[1] == names[2]
    assert len(set(names)) == 3


# The sources


def test_every_top_level_name_is_declared_once():
    names = Counter(DECLARED.findall(source()[0]))
    assert len(names) > 30
    assert [name for name, count in names.items() if count > 1] == []


def test_every_part_is_in_the_bundle_and_only_the_entry_exports():
    script, style = source()
    for path in sorted(one for one in FOLDER.iterdir() if one.is_file()):
        text = path.read_text(encoding="utf-8")
        assert text in (script if path.suffix == ".js" else style), path.name
        assert re.search(r"^import ", text, re.M) is None, path.name
        assert ("export " in text) == (path.name == ENTRY), path.name


def test_nothing_is_set_as_html():
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", source()[0]) == []
