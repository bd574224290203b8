"""The owner makes a task from a template, changes it, and invites somebody to work on it."""

from __future__ import annotations

import re

from playwright.sync_api import Page

from core.vocabulary import Role
from labels_db import LabelsDB, Task
from tests.browser.conftest import Server, eventually, on_screen


def stored(server: Server, task: str) -> Task:
    with LabelsDB(server.workspace.labels) as db:
        return db.task(task)


def add_a_class_says(page: Page, text: str) -> None:
    """Wait for the field to hold this; while the page is drawn anew there are two for a moment."""
    page.wait_for_function(
        """text => {
             const fields = document.querySelectorAll('input[aria-label="Add a class"]');
             return fields.length === 1 && fields[0].value === text; }""",
        arg=text,
    )


def names(server: Server) -> set[str]:
    with LabelsDB(server.workspace.labels) as db:
        return {task.name for task in db.tasks()}


def open_tasks(page: Page, server: Server, task: str) -> None:
    page.goto(f"{server.origin}/tasks?task={task}")
    page.get_by_role("heading", name=task).wait_for(timeout=30_000)


def test_a_task_is_made_from_a_template_and_changed(page, server, task):
    open_tasks(page, server, task)
    page.get_by_role("button", name="New task").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Begin with").click()
    page.get_by_role("option", name="dual AGN").click()
    name = dialog.get_by_label("Name", exact=True)
    eventually(lambda: name.input_value().startswith("dual-agn"))
    made = name.input_value()
    dialog.get_by_role("button", name="Make the task").click()
    page.get_by_role("heading", name=made, exact=True).wait_for(timeout=30_000)
    assert made in names(server)
    assert len(stored(server, made).classes) == 8

    guideline = page.get_by_label("Guideline")
    eventually(lambda: guideline.count() == 1)  # those of the task before are gone
    guideline.fill("Two **nuclei** inside one envelope.")
    guideline.press("Control+Enter")
    page.locator("div", has_text=re.compile(r"^Two \*\*nuclei\*\* inside")).last.wait_for()
    page.get_by_role("button", name="Save the guideline").click()
    eventually(lambda: stored(server, made).guideline == "Two **nuclei** inside one envelope.")

    page.get_by_role("tab", name="Classes").click()
    page.get_by_label("Add a class").fill("quasar pair")
    page.get_by_role("button", name="Add the class").click()
    eventually(lambda: stored(server, made).classes[-1] == "quasar pair")
    # The ninth class fills the keys: the tenth is refused, and what was typed stays.
    page.locator(".classlist .name", has_text="quasar pair").wait_for()
    add_a_class_says(page, "")
    page.get_by_label("Add a class").fill("one too many")
    page.get_by_role("button", name="Add the class").click()
    page.get_by_text("A task needs 2 to 9 classes").wait_for()
    add_a_class_says(page, "one too many")

    page.get_by_label("Change the class").click()
    page.get_by_role("option", name="quasar pair").click()
    page.get_by_role("button", name="Retire this class").click()
    eventually(lambda: "quasar pair" not in stored(server, made).classes)
    page.locator(".classlist .retired", has_text="quasar pair").wait_for()

    page.get_by_role("tab", name="History").click()
    page.get_by_text("class quasar pair retired").wait_for()
    assert [one.name for one in stored(server, made).details if one.retired] == ["quasar pair"]


def test_an_invitation_link_lets_somebody_in(page, server, task):
    open_tasks(page, server, task)
    page.get_by_role("radio", name="People").click()
    page.get_by_label("Add a person").fill("Cleo Vey")
    page.get_by_role("button", name="Add the person").click()
    page.locator(".people .name", has_text="Cleo Vey").wait_for()
    page.get_by_role("button", name="Make an invitation link").click()
    dialog = page.get_by_role("dialog")
    link = dialog.locator("code").inner_text().strip()
    assert re.fullmatch(rf"{re.escape(server.origin)}/\?token=[\w-]{{30,}}", link)
    dialog.get_by_role("button", name="Close").click()
    assert page.get_by_text(link).count() == 0

    guest = page.context.browser.new_context()
    try:
        theirs = guest.new_page()
        theirs.goto(f"{link}&task={task}")
        on_screen(theirs)
        theirs.get_by_text("Answering as Cleo Vey").wait_for()
        theirs.get_by_role("link", name="Tasks").click()
        theirs.get_by_role("heading", name="Tasks").wait_for()
        theirs.get_by_text("There is no guideline yet.").wait_for()
        assert theirs.get_by_role("radio", name="People").count() == 0
        assert theirs.get_by_role("button", name="New task").count() == 0

        page.get_by_role("button", name="Revoke the link").click()
        with LabelsDB(server.workspace.labels) as db:
            eventually(lambda: db.invitations("Cleo Vey")[0].revoked_at is not None)
            assert db.person("Cleo Vey").role is Role.ANNOTATOR
        theirs.reload()
        theirs.get_by_text("This browser is no longer signed in").wait_for()
    finally:
        guest.close()
