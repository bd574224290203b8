"""Invited people sign in by their link or through a provider, and out; revoked ones are out."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Page
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from core.vocabulary import Role
from core.workspace import Workspace, open_workspace
from labels_db import LabelsDB
from tests.browser.conftest import Server, all_saved, eventually, on_screen, press
from tests.browser.provider import Provider

BASE = "/group/sky"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    running = Provider()
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def group_server(
    provider: Provider, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server under a base path whose people sign in through the provider."""
    folder = tmp_path_factory.mktemp("group")
    shutil.copytree(workspace.root, folder / "ws", ignore=shutil.ignore_patterns("labels*"))
    settings = folder / "auth.toml"
    settings.write_text(provider.settings(f"http://127.0.0.1:{{port}}{BASE}/oauth2callback"))
    running = GroupServer(
        *(open_workspace(folder / "ws"), "--no-workers", "--base-path", BASE),
        *("--auth", str(settings)),
    )
    running.start()
    with LabelsDB(running.workspace.labels) as db:
        db.add_person("Ann Lee", Role.ANNOTATOR, "owner", "ann@example.org")
        db.add_person("Visitor", Role.VIEWER, "owner")
    yield running
    running.stop()


class GroupServer(Server):
    @property
    def origin(self) -> str:
        """With the base path: what the shared helpers put before /?task=."""
        return f"{super().origin}{BASE}"


@pytest.fixture
def server(group_server: Server) -> Server:
    return group_server


@pytest.fixture(autouse=True)
def everybody_may_sign_in(server: Server) -> None:
    with LabelsDB(server.workspace.labels) as db:
        db.enable_person("Ann Lee", "owner")


@pytest.fixture
def guest(context: BrowserContext) -> Page:
    """A browser that nobody knows."""
    return context.new_page()


def link_of(server: Server, name: str) -> str:
    with LabelsDB(server.workspace.labels) as db:
        return f"{server.origin}/?token={db.invite(name, 'owner')}"


def signs_in(page: Page, server: Server, provider: Provider, query: str = "", **claims) -> None:
    """Press the button; `claims` are what the provider says."""
    provider.claims = claims
    page.goto(f"{server.origin}/{query}")
    page.get_by_role("link", name="Sign in").click()


def is_in(page: Page) -> None:
    """Wait for the page of somebody who was invited."""
    page.get_by_role("button", name="Sign out").wait_for()


def label_by_hand(page: Page, server: Server, task: str) -> int:
    """The status of a label that the page's own script would post."""
    event = {
        "event_id": str(uuid4()),
        "task": task,
        "object_id": "obj_00",
        "action": "label",
        "class_name": "artefact",
    }
    origin = server.origin.removesuffix(BASE)
    return page.context.request.post(
        f"{server.origin}/api/events",
        data=json.dumps(event),
        headers={"origin": origin, "content-type": "application/json"},
    ).status


def cookies_of(page: Page) -> set[str]:
    return {str(one.get("name")) for one in page.context.cookies()}


def test_a_link_signs_in_and_labels_carry_the_persons_name(guest, server, task):
    link = link_of(server, "Ann Lee")
    guest.goto(f"{link}&task={task}")
    shown = on_screen(guest)
    assert "token" not in guest.url
    press(guest, "1")
    all_saved(guest)
    eventually(lambda: len(server.events(task)) == 1)
    (event,) = server.events(task)
    assert (event.annotator, event.object_id) == ("Ann Lee", shown)


def test_a_revoked_link_is_out_at_once(guest, server, task):
    guest.goto(link_of(server, "Ann Lee"))
    is_in(guest)
    with LabelsDB(server.workspace.labels) as db:
        db.revoke_invitation(db.invitations("Ann Lee")[0].id, "owner")
    assert label_by_hand(guest, server, task) == 401
    assert server.events(task) == []
    # The page that is still open is drawn no more either.
    guest.get_by_role("link", name="Runs").click()
    guest.get_by_text("You are no longer signed in").wait_for()
    guest.reload()
    guest.get_by_text("This browser is no longer signed in").wait_for()


def test_a_viewer_looks_and_changes_nothing(guest, server, task):
    guest.goto(link_of(server, "Visitor"))
    is_in(guest)
    assert label_by_hand(guest, server, task) == 403
    assert server.events(task) == []


def test_signing_out_and_in_again(guest, server):
    link = link_of(server, "Visitor")
    guest.goto(link)
    guest.get_by_role("button", name="Sign out").click()
    guest.get_by_label("Token").wait_for()
    assert cookies_of(guest) & {f"skysift-{server.port}", "_streamlit_user"} == set()
    guest.goto(link)
    is_in(guest)


def test_the_owner_has_nothing_to_sign_out_of(page, server):
    page.goto(f"{server.origin}/")
    page.get_by_text("Answering as").wait_for()
    assert page.get_by_role("button", name="Sign out").count() == 0


def test_through_the_provider_to_the_page_that_was_wanted(guest, server, provider, task):
    signs_in(
        *(guest, server, provider, f"?task={task}&object=obj_07"),
        email="Ann@Example.org",
        email_verified=True,
    )
    assert on_screen(guest) == "obj_07"
    assert guest.url.startswith(f"{server.origin}/?task={task}")
    press(guest, "2")
    all_saved(guest)
    eventually(lambda: len(server.events(task)) == 1)
    assert server.events(task)[0].annotator == "Ann Lee"
    guest.get_by_role("button", name="Sign out").click()
    guest.get_by_role("link", name="Sign in").wait_for()
    assert cookies_of(guest) & {"_streamlit_user", "_streamlit_user_tokens"} == set()


def test_a_long_id_token_whose_cookie_is_split(guest, server, provider):
    groups = [hashlib.sha256(bytes([number])).hexdigest() for number in range(120)]
    signs_in(
        *(guest, server, provider),
        email="ann@example.org",
        email_verified=True,
        groups=groups,
    )
    is_in(guest)
    assert "_streamlit_user_1" in cookies_of(guest)


def test_somebody_whom_nobody_invited(guest, server, provider, task):
    signs_in(guest, server, provider, email="eve@example.org", email_verified=True)
    guest.get_by_text(
        "You are signed in as eve@example.org, but nobody has invited you; ask the owner"
    ).wait_for()
    assert label_by_hand(guest, server, task) == 403
    assert server.events(task) == []
    guest.get_by_role("button", name="Sign out").click()
    guest.get_by_role("link", name="Sign in").wait_for()


@pytest.mark.parametrize("claim", [{"email_verified": False}, {}])
def test_an_address_that_is_not_verified(guest, server, provider, claim):
    signs_in(guest, server, provider, email="ann@example.org", **claim)
    guest.get_by_text("does not say that this address is yours").wait_for()


def test_a_sign_in_that_fails_says_so(guest, server, provider, monkeypatch):
    monkeypatch.setattr(provider, "failing", True)
    signs_in(guest, server, provider, email="ann@example.org", email_verified=True)
    guest.get_by_text("Signing in was not finished").wait_for()


def test_a_disabled_person_is_out_with_the_next_request(guest, server, provider, task):
    signs_in(guest, server, provider, email="ann@example.org", email_verified=True)
    is_in(guest)
    assert label_by_hand(guest, server, task) == 200
    with LabelsDB(server.workspace.labels) as db:
        db.disable_person("Ann Lee", "owner")
    assert label_by_hand(guest, server, task) == 403
    guest.reload()
    guest.get_by_text("nobody has invited you").wait_for()


def test_a_forged_cookie_opens_nothing(guest, server):
    claims = {
        "origin": server.origin.removesuffix(BASE),
        "is_logged_in": True,
        "provider": "default",
        "email": "ann@example.org",
        "email_verified": True,
    }
    forged = create_signed_value(
        "another-secret-of-32-characters!", "_streamlit_user", json.dumps(claims)
    )
    guest.context.add_cookies(
        [{"name": "_streamlit_user", "value": forged.decode(), "url": server.origin}]
    )
    answer = guest.goto(server.origin)
    assert answer
    assert answer.status == 401
    guest.get_by_role("link", name="Sign in").wait_for()
