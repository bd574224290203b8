"""A task that looks for two classes, from the dialog that makes it to the finds of the first."""

from __future__ import annotations

from labels_db import LabelsDB, ModelRecord, QueueItem
from tests.browser.conftest import all_saved, eventually, open_task, press


def test_a_task_looks_for_two_classes(page, server, task):
    page.goto(f"{server.origin}/tasks?task={task}")
    page.get_by_role("button", name="New task").click(timeout=60_000)  # the first page of a server
    dialog = page.get_by_role("dialog")
    name = f"{task}-both"
    dialog.get_by_label("Name", exact=True).fill(name)
    dialog.get_by_label("Question").fill("What is it?")
    dialog.get_by_label("Classes, one a line").fill("ring\nshell\nplain")
    dialog.get_by_label("Classes, one a line").press("Control+Enter")
    looked_for = dialog.get_by_test_id("stMultiSelect").filter(has_text="Looking for")
    looked_for.get_by_text("ring").wait_for()
    looked_for.get_by_role("combobox").click()
    page.get_by_role("option", name="shell").click()
    page.keyboard.press("Tab")
    dialog.get_by_role("button", name="Make the task").click()
    page.get_by_role("heading", name=name, exact=True).wait_for(timeout=30_000)
    with LabelsDB(server.workspace.labels) as db:
        assert db.task(name).targets == ("ring", "shell")
        items = [
            QueueItem(f"obj_{n:02d}", n, f"most_likely ({('ring', 'shell')[n % 2]})", 0.5, 1.0)
            for n in range(6)
        ]
        db.replace_queue(
            name,
            items,
            ModelRecord(
                task=name, n_labels=0, label_seq=0, sampler="most_likely", survey_version=1, seed=0
            ),
        )

    open_task(page, server, name)
    marked = page.locator(".answer").filter(has=page.locator(".target"))
    assert marked.locator(".word").all_inner_texts() == ["ring", "shell"]
    page.get_by_text("The turn of ring: the most likely to be it first.").wait_for()
    for key in "123":
        press(page, key)
        all_saved(page)
    eventually(lambda: len(server.labels(name)) == 3)
    page.locator(".totals", has_text="2 finds").wait_for(timeout=30_000)
