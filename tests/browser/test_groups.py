"""Groups as a person uses them: made, named, their core selected and labelled at once."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from core.survey import Survey, finished_runs
from core.vocabulary import JobKind
from core.workspace import Workspace, open_workspace
from tests.browser.conftest import Server, until_seen

WAIT_MS = 60_000


@pytest.fixture
def server(workspace: Workspace, tmp_path: Path) -> Iterator[Server]:
    """One of its own: other tests know of no groups."""
    root = tmp_path / "ws"
    shutil.copytree(workspace.root, root, ignore=shutil.ignore_patterns("labels*"))
    running = Server(open_workspace(root), "--no-workers")
    running.start()
    yield running
    running.stop()


def seen(what: Locator) -> None:
    expect(what).to_be_visible(timeout=WAIT_MS)


def test_groups_are_made_named_and_the_core_of_one_is_labelled(
    page: Page, server: Server, task: str
) -> None:
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{server.origin}/groups?task={task}")
    seen(page.get_by_text("There are no groups of this survey yet"))
    number = page.get_by_label("K, the number of groups")
    number.fill("3")
    number.press("Enter")
    seen(page.get_by_text("--k=3"))
    page.get_by_role("button", name="Make groups", exact=True).click()
    lines = page.locator(".groups tbody tr")
    expect(lines).to_have_count(3, timeout=2 * WAIT_MS)

    survey = Survey.open(server.workspace, "blobs")
    (run,) = finished_runs(survey, JobKind.GROUP)
    groups = np.load(run.path / "groups.npy")
    distances = np.load(run.path / "distances.npy")
    rows = np.flatnonzero(groups == 1)
    central = [str(survey.object_ids[row]) for row in rows[np.argsort(distances[rows])]]
    core = central[: -(-len(central) // 2)]

    lines.nth(1).get_by_role("link", name="Group 2").click()
    seen(page.get_by_role("heading", name=f"Group 2: {len(central)} objects"))
    assert lines.nth(1).get_attribute("class") == "open"
    shown = page.locator(".thumbs .id")
    expect(shown).to_have_text(central[:36], timeout=WAIT_MS)
    page.get_by_text("Most peripheral").click()
    expect(shown).to_have_text(central[::-1][:36], timeout=WAIT_MS)

    page.get_by_role("button", name="Name this group").click()
    page.get_by_role("textbox", name="Name of the group").fill("two & more")
    page.get_by_role("button", name="Save its name").click()
    seen(page.get_by_role("heading", name=f"two & more: {len(central)} objects"))

    page.get_by_role("button", name=f"Select its core ({len(core)})").click()
    expect(page).to_have_url(re.compile("selection=[0-9a-f]{16}"), timeout=WAIT_MS)
    seen(page.get_by_text("the most central 50 % of it. Made by"))
    label = page.get_by_role("button", name="Label", exact=True)
    until_seen(label.click, page.get_by_role("dialog"))
    page.get_by_role("dialog").get_by_text("two nuclei", exact=True).click()
    page.get_by_role("button", name=f"Label {len(core)} objects as two nuclei").click()
    seen(page.get_by_role("button", name="Undo two nuclei"))
    assert server.labels(task) == dict.fromkeys(core, "two nuclei")
    expect(lines.nth(1)).to_contain_text(f"{len(core)}", timeout=WAIT_MS)
    page.reload()  # the link has the group and the selection
    seen(page.get_by_role("heading", name=f"two & more: {len(central)} objects"))
    seen(page.get_by_text("the most central 50 % of it. Made by"))
