"""More like this, by keys: the nearest come next, are stored under that name, and the queue
goes on."""

from __future__ import annotations

import numpy as np
from playwright.sync_api import Page, expect

from core.representation import load_embedding
from core.survey import Survey
from labels_db import LabelsDB
from tests.browser.conftest import (
    CLASSES,
    Server,
    all_saved,
    eventually,
    on_screen,
    open_task,
    press,
)

N_MORE = 24


def nearest(server: Server, *given: str) -> list[str]:
    """All others by their cosine distance to the nearest of `given`, in float64."""
    survey = Survey.open(server.workspace, "blobs")
    values = load_embedding(survey).values.astype(np.float64)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    distance = (1 - unit @ unit[[survey.row(one) for one in given]].T).min(axis=1)
    ids = [str(survey.object_ids[row]) for row in np.argsort(distance)]
    return [one for one in ids if one not in given]


def queued(server: Server, task: str) -> list[str]:
    with LabelsDB(server.workspace.labels) as db:
        return [item.object_id for item in db.next_items(task, 60)]


def went_on(page: Page, before: str) -> str:
    """The next object, once its picture is on screen."""
    page.wait_for_function(
        "(id) => skysiftLabeller.visible && skysiftLabeller.visible !== id", arg=before
    )
    return on_screen(page)


def test_a_round_by_keys(page: Page, server: Server, task: str) -> None:
    like = open_task(page, server, task)
    order = nearest(server, like)
    banner = page.locator(".ahead")
    expect(banner).to_be_hidden()

    page.keyboard.press("Shift+M")
    expect(banner).to_contain_text(f"More like {like}: {N_MORE} left")
    assert on_screen(page) == like  # what was on screen stays until it is answered
    shown = []
    before = press(page, "2")
    for key in ("1", "2", "s"):
        shown.append(went_on(page, before))
        before = press(page, key)
    assert shown == order[:3]
    # It is not among what comes ahead itself; a skip is done with as well.
    expect(banner).to_contain_text(f"{N_MORE - 3} left")
    expect(page.locator(".why")).to_contain_text(f"More like {like}: you asked for it.")

    # One of a ranking by the sampler of that name was not asked for.
    ranked = "{ sampler: 'like_this', model_version: 3 }"
    assert page.evaluate(
        f"() => {{ const one = {ranked}; skysiftLabeller.ahead.came([one]); return !one.asked; }}"
    )

    page.reload()
    assert on_screen(page) == order[3]
    expect(banner).to_contain_text(f"More like {like}: {N_MORE - 3} left")

    before = on_screen(page)
    page.keyboard.press("Escape")
    expect(banner).to_be_hidden()
    press(page, "2")
    rest = [one for one in queued(server, task) if one not in {like, *order[:4]}]
    assert went_on(page, before) == rest[0]
    all_saved(page)

    samplers = {event.object_id: event.sampler for event in server.events(task)}
    assert samplers == {like: "anomaly", **dict.fromkeys(order[:4], "like_this")}
    assert server.labels(task) == {
        like: CLASSES[1],
        order[0]: CLASSES[0],
        order[1]: CLASSES[1],
        order[3]: CLASSES[1],
    }


def test_from_the_grid_by_the_button_and_back(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    page.evaluate("skysiftLabeller.setMode('grid', false)")  # G would keep it for other tests
    cells = page.locator(".cell")
    expect(cells.first.locator("img")).to_be_visible()
    ids = page.evaluate("skysiftLabeller.grid.cells.map((cell) => cell.item.object_id)")
    for place in (0, 3):  # two are chosen as the target
        cells.nth(place).click()
    page.get_by_role("button", name="More like this").click()
    expect(page.locator(".ahead")).to_contain_text("More like 2 objects: 24 left")
    page.wait_for_function("skysiftLabeller.queue.items.length >= 16")
    coming = page.evaluate("skysiftLabeller.queue.items.map((item) => item.object_id)")
    # What lies in the cells already is not fetched a second time.
    order = [one for one in nearest(server, ids[0], ids[3])[:N_MORE] if one not in ids]
    assert coming[: len(order)] == order
    # Left unanswered, the cells do not come before what is ahead, unless they are of that.
    page.evaluate("skysiftLabeller.setMode('one', false)")
    assert on_screen(page) == nearest(server, ids[0], ids[3])[0]
    page.get_by_role("button", name="Back to the queue").click()
    expect(page.locator(".ahead")).to_be_hidden()
    rest = [one for one in queued(server, task) if one != on_screen(page)]
    eventually(
        lambda: (
            page.evaluate("skysiftLabeller.queue.items.map((item) => item.object_id)")[:9]
            == rest[:9]
        )
    )
    assert server.events(task) == []
    # What is about to be given back is given back when the page is closed, too.
    given = page.evaluate(
        "() => { const { queue } = skysiftLabeller; const sent = []; const { leases } = queue;"
        " queue.leases = { release: (url, task, items) => sent.push(...items) };"
        " queue.leaving.push('one of them'); queue.releaseAll();"
        " queue.leaving.pop(); queue.leases = leases; return sent.map((item) => item.lease); }"
    )
    assert "one of them" in given
    assert len(given) > 1


def test_what_makes_an_object_odd_is_told_beside_it(page: Page, server: Server, task: str) -> None:
    open_task(page, server, task)
    panel = page.locator("details", has=page.get_by_role("heading", name="What makes it odd"))
    # It opens by itself for what an anomaly sampler shows. This embedding is axes of the pixels.
    expect(panel).to_contain_text("The numbers of this embedding (fusion) have no names")
    expect(panel.locator("p").first).to_contain_text("of the survey, as the isolation forest")

    item = {
        "title": "<i>gini",
        "meaning": "how it lies",
        "unit": "px",
        "value": "0.82",
        "median": "0.21",
        "scatters": -5.1,
        "share": 0.31,
    }
    told = {"state": "", "sentence": "Odd.", "items": [item], "learnt": "", "rebuilt": "pca"}
    page.route("**/api/reasons?*", lambda route: route.fulfill(json=told))
    went_on(page, press(page, "2"))
    line = panel.locator(".reasons li")
    expect(line).to_have_text("<i>gini31 %0.82 px; median 0.21, 5.1 scatters belowhow it lies")
    # No model of this survey rebuilds pictures: the one that does not come leaves no hole.
    expect(panel.locator("figure")).to_be_hidden()

    # Why nothing is said is no answer to be kept: it may be over when the object comes back.
    told.update(state="Not before you have answered", items=[], sentence="")
    went_on(page, press(page, "2"))
    expect(panel).to_contain_text("Not before you have answered")
    told.update(state="", sentence="Odd after all.")
    page.evaluate("void skysiftLabeller.beside.odd.show(skysiftLabeller.beside.odd.item)")
    expect(panel).to_contain_text("Odd after all.")
