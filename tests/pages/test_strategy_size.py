"""A sampler that cannot take so large a survey says so where it is chosen, and is not taken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.discovery import SAMPLERS
from labels_db import LabelsDB
from pages._server.services import Services
from tests.pages.conftest import IDS
from tests.pages.kit import one, open_page, press, text_of

LIMIT = " (takes up to 5 objects: this survey is larger)"


@pytest.fixture(autouse=True)
def ens_takes_five(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAMPLERS._entries, "ens", replace(SAMPLERS["ens"], most_rows=5))


def test_the_owner_reads_the_limit_and_is_refused(services: Services, db: LabelsDB) -> None:
    script = open_page("tasks")
    box = one(script.selectbox, "Showing")
    assert [text.endswith(LIMIT) for text in box.options].count(True) == 1
    box.set_value("ens")
    script = press(script, "Save the strategy")
    assert f"takes up to 5 objects, but the survey 'tiny' has {len(IDS)}" in text_of(script)
    assert db.strategy("dual").sampler == "default"


def test_so_does_the_switch_beside_the_label_page(
    services: Services, db: LabelsDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"ens": "Showing what pays.", "margin": "Showing the closest."}
    monkeypatch.setattr(services, "_sampler_words", words)
    script = open_page("label")
    box = one(script.selectbox, "Showing")
    assert box.options == ["the default", f"what pays{LIMIT}", "the closest"]
    box.set_value("ens").run()
    assert "choose another one, such as the default" in text_of(script)
    assert db.strategy("dual").sampler == "default"


def test_a_survey_within_the_limit_hears_nothing_of_it(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SAMPLERS._entries, "ens", replace(SAMPLERS["ens"], most_rows=len(IDS)))
    assert LIMIT[:10] not in " ".join(one(open_page("tasks").selectbox, "Showing").options)
