"""Nobody gets past the middleware without a token, and no other origin changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from core.errors import Forbidden, SkysiftError, StorageFull
from core.vocabulary import Role
from labels_db import LabelsDB
from pages._server.identity import (
    Identity,
    IdentityMiddleware,
    Refusal,
    Resolver,
    Why,
    install_resolver,
    require,
    resolver,
)
from tests.pages.asgi import Browser

TOKEN = "a-token-of-the-tests"
reached: list[str] = []


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    reached.append(scope["path"])
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    who = scope.get("state", {}).get("identity")
    await PlainTextResponse(f"inside as {who.annotator if who else None}")(scope, receive, send)


@pytest.fixture
def browser() -> Browser:
    reached.clear()
    return Browser(make_app())


OWNER = Identity("owner", "ann", Role.OWNER)


def make_app(base_path: str = "", port: int = 8501) -> IdentityMiddleware:
    return IdentityMiddleware(
        inside, resolver=Resolver(token=TOKEN, identity=OWNER, port=port), base_path=base_path
    )


def sign_in(browser: Browser, path: str = "/") -> None:
    assert browser.get(f"{path}?token={TOKEN}").status == 303


def test_without_a_token_nothing_is_reached(browser):
    for path in ("/", "/map", "/static/js/main.js", "/_stcore/host-config", "/api/task"):
        assert browser.get(path).status == 401
    assert browser.post("/api/events", {}).status == 401
    assert browser.websocket("/_stcore/stream") == [{"type": "websocket.close", "code": 4401}]
    assert reached == []


def test_the_page_is_html_and_the_api_is_json(browser):
    assert b"<form" in browser.get("/").body
    assert "signed in" in browser.get("/api/task").json()["error"]


def test_the_token_becomes_a_cookie_and_leaves_the_address(browser):
    answer = browser.get(f"/?task=a%20b&token={TOKEN}&object=%C3%A9%2F1")
    assert answer.status == 303
    assert answer.headers["location"] == "/?task=a+b&object=%C3%A9%2F1"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert TOKEN not in answer.headers["location"]
    assert browser.get("/").body == b"inside as ann"


@pytest.mark.parametrize("wrong", ["", "x", TOKEN[:-1], TOKEN + "a", "é" * 9])
def test_a_wrong_token_is_told_so(browser, wrong):
    answer = browser.get(f"/?token={wrong}")
    assert answer.status == 401
    assert b"not the one" in answer.body
    assert "set-cookie" not in answer.headers
    browser.cookies["skysift-8501"] = wrong or "y"
    assert browser.get("/api/task").status == 401


def test_the_redirect_stays_on_this_host(browser):
    answer = browser.get(f"//other.example/?token={TOKEN}")
    assert not answer.headers["location"].startswith("//")


def test_the_form_keeps_the_link_and_escapes_it(browser):
    body = browser.get("/?task=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").body
    assert b"<script" not in body
    assert b'name="task"' in body


def test_the_health_check_alone_is_open(browser):
    assert browser.get("/_stcore/health").status == 200
    assert reached == ["/_stcore/health"]
    assert browser.send("POST", "/_stcore/health", b"", {}).status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://host:8501"}, 200),
        ({"origin": "http://host:8502"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "https://hub.example"}, 200),
        ({"sec-fetch-site": "cross-site", "origin": "http://evil.example"}, 403),
        ({"x-forwarded-host": "hub.example", "origin": "https://hub.example"}, 200),
    ],
)
def test_only_our_own_page_may_change_something(browser, headers, status):
    sign_in(browser)
    sender = Browser(browser.app, origin=None)
    sender.cookies = browser.cookies
    assert sender.post("/api/events", {}, **headers).status == status
    assert (reached == ["/api/events"]) is (status == 200)


def test_another_local_server_may_not_read(browser):
    sign_in(browser)
    assert browser.get("/api/task", **{"sec-fetch-site": "same-site"}).status == 403
    assert browser.get("/api/task", **{"sec-fetch-site": "same-origin"}).status == 200
    # A link from elsewhere to a page is followed as usual.
    assert browser.get("/", **{"sec-fetch-site": "cross-site"}).status == 200


def test_websocket_needs_cookie_and_origin(browser):
    sign_in(browser)
    accepted = [{"type": "websocket.accept"}]
    refused = [{"type": "websocket.close", "code": 4403}]
    assert browser.websocket("/_stcore/stream", origin="http://host:8501") == accepted
    assert browser.websocket("/_stcore/stream", origin="http://evil.example") == refused


def test_two_servers_of_one_host_keep_their_own_cookies(browser):
    sign_in(browser)
    other = Browser(make_app(port=8502))
    other.cookies = browser.cookies
    assert other.get("/").status == 401


def test_base_path():
    browser = Browser(make_app(base_path="/x"))
    answer = browser.get(f"/x/?token={TOKEN}")
    assert answer.headers["location"] == "/x/"
    assert "path=/x" in answer.headers["set-cookie"].lower()
    browser.cookies.clear()
    assert browser.get("/x/_stcore/health").status == 200
    assert "error" in browser.get("/x/api/task").json()


def test_every_answer_carries_the_guards(browser):
    for answer in (browser.get("/"), browser.get("/_stcore/health")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


# People with links of their own


@pytest.fixture
def db(tmp_path: Path) -> Iterator[LabelsDB]:
    with LabelsDB(tmp_path / "labels.sqlite") as database:
        database.ensure_owner("ann")
        database.add_person("Bo", Role.ANNOTATOR, "ann")
        database.add_person("Di", Role.VIEWER, "ann")
        yield database


@pytest.fixture
def group(db: LabelsDB) -> Browser:
    """A browser before a server that knows people."""
    reached.clear()
    known = Resolver(token=TOKEN, identity=OWNER, port=8501, people=lambda: LabelsDB(db.path))
    return Browser(IdentityMiddleware(inside, resolver=known))


def test_a_link_signs_in_as_its_person(group, db):
    secret = db.invite("Bo", "ann")
    answer = group.get(f"/map?task=a&token={secret}")
    assert (answer.status, answer.headers["location"]) == (303, "/map?task=a")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert group.get("/").body == b"inside as Bo"
    assert group.post("/api/events", {}).body == b"inside as Bo"
    assert group.websocket("/_stcore/stream") == [{"type": "websocket.accept"}]
    assert db.invitations("Bo")[0].last_used_at
    assert db.person("Bo").last_seen_at


def test_the_owners_token_stays_the_owners(group, db):
    db.disable_person("Bo", "ann")
    sign_in(group)
    assert group.get("/").body == b"inside as ann"


@pytest.mark.parametrize("how", ["revoked", "replaced", "disabled"])
def test_access_taken_away_is_gone_with_the_next_request(group, db, how):
    secret = db.invite("Bo", "ann")
    group.get(f"/?token={secret}")
    assert group.get("/api/task").status == 200
    if how == "revoked":
        db.revoke_invitation(db.invitations("Bo")[0].id, "ann")
    elif how == "replaced":
        db.invite("Bo", "ann")
    else:
        db.disable_person("Bo", "ann")
    reached.clear()
    assert "no longer signed in" in group.get("/api/task").json()["error"]
    assert group.post("/api/events", {}).status == 401
    assert group.websocket("/_stcore/stream") == [{"type": "websocket.close", "code": 4401}]
    page = group.get("/")
    assert page.status == 401
    assert b"no longer signed in" in page.body
    assert b"was revoked" in group.get(f"/?token={secret}").body
    assert reached == []


def test_a_changed_role_holds_with_the_next_request(group, db):
    group.get(f"/?token={db.invite('Bo', 'ann')}")
    assert group.post("/api/events", {}).status == 200
    db.set_role("Bo", Role.VIEWER, "ann")
    assert group.post("/api/events", {}).status == 403


def test_a_viewer_reads_and_changes_nothing(group, db):
    group.get(f"/?token={db.invite('Di', 'ann')}")
    assert group.get("/api/task").body == b"inside as Di"
    reached.clear()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = group.send(method, "/api/events", b"{}", {"origin": "http://host:8501"})
        assert answer.status == 403
        assert "look only" in answer.json()["error"]
    assert reached == []


def test_a_persons_browser_is_held_to_our_origin_too(group, db):
    group.get(f"/?token={db.invite('Bo', 'ann')}")
    assert group.post("/api/events", {}, origin="http://evil.example").status == 403
    assert group.get("/api/task", **{"sec-fetch-site": "same-site"}).status == 403
    refused = [{"type": "websocket.close", "code": 4403}]
    assert group.websocket("/_stcore/stream", origin="http://evil.example") == refused


def test_a_page_of_another_user_of_the_browser_writes_nothing(group, db):
    """Ann's page has answers waiting while Bo signs in: they are not Bo's."""
    sign_in(group)
    assert group.post("/api/events", {}, x_skysift_user="owner").status == 200
    group.get(f"/?token={db.invite('Bo', 'ann')}")
    reached.clear()
    answer = group.post("/api/events", {}, x_skysift_user="owner")
    assert answer.status == 401
    assert "now signed in as Bo" in answer.json()["error"]
    assert reached == []
    mine = f"person:{db.person('Bo').id}"
    assert group.post("/api/events", {}, x_skysift_user=mine).body == b"inside as Bo"
    # Naming somebody is no way to become them.
    group.cookies.clear()
    assert group.post("/api/events", {}, x_skysift_user="owner").status == 401


def test_signing_out(group, db):
    group.get(f"/?token={db.invite('Bo', 'ann')}")
    assert group.post("/sign-out", {}, origin="http://evil.example").status == 403
    assert group.get("/").status == 200
    answer = group.post("/sign-out", {})
    assert (answer.status, answer.headers["location"]) == (303, "/")


def test_behind_https_the_cookie_is_for_https(group):
    for proto, secure in (("https", True), ("https, http", True), ("http", False)):
        answer = group.get(f"/?token={TOKEN}", x_forwarded_proto=proto)
        assert ("secure" in answer.headers["set-cookie"].lower()) is secure


def test_a_label_database_that_cannot_be_read_lets_nobody_in():
    def broken() -> LabelsDB:
        raise StorageFull("The disk is full.")

    reached.clear()
    known = Resolver(token=TOKEN, identity=OWNER, port=8501, people=broken)
    browser = Browser(IdentityMiddleware(inside, resolver=known))
    browser.cookies["skysift-8501"] = "some-secret"
    answer = browser.get("/api/task")
    assert (answer.status, answer.json()) == (503, {"error": "The disk is full."})
    assert browser.websocket("/_stcore/stream") == [{"type": "websocket.close", "code": 1013}]
    assert reached == []
    sign_in(browser)  # the owner needs no database
    assert browser.get("/").status == 200


def test_a_visit_that_cannot_be_noted_is_no_reason_to_refuse(db, monkeypatch):
    secret = db.invite("Bo", "ann")

    def full(*_: object) -> None:
        raise StorageFull("The disk is full.")

    monkeypatch.setattr(db, "note_sign_in", full)
    known = Resolver(token=TOKEN, identity=OWNER, port=8501, people=lambda: db)
    found = known({"skysift-8501": secret})
    assert found == Identity(f"person:{db.person('Bo').id}", "Bo", Role.ANNOTATOR)


def test_visits_are_not_written_at_every_request(db):
    secret = db.invite("Bo", "ann")
    known = Resolver(token=TOKEN, identity=OWNER, port=8501, people=lambda: db)
    known({"skysift-8501": secret})
    version = db.data_version()
    for _ in range(5):
        assert isinstance(known({"skysift-8501": secret}), Identity)
    assert db.data_version() == version


def test_what_the_resolver_says_of_strangers(db):
    known = Resolver(token=TOKEN, identity=OWNER, port=8501, people=lambda: db)
    assert known({}) == Refusal(Why.STRANGER)
    assert known({"skysift-8502": TOKEN}) == Refusal(Why.STRANGER)
    assert known({"skysift-8501": "x"}) == Refusal(Why.STALE)
    assert known({"skysift-8501": TOKEN}) == OWNER


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.OWNER, {Role.OWNER, Role.ANNOTATOR, Role.VIEWER}),
        (Role.ANNOTATOR, {Role.ANNOTATOR, Role.VIEWER}),
        (Role.VIEWER, {Role.VIEWER}),
    ],
)
def test_what_a_role_may(role, may):
    who = Identity("person:1", "Bo", role)
    for wanted in Role:
        if wanted in may:
            require(who, wanted)
        else:
            with pytest.raises(Forbidden, match=f"needs an {wanted}, but Bo is here as {role}"):
                require(who, wanted)


def test_any_of_several_roles_will_do():
    require(Identity("person:1", "Bo", Role.ANNOTATOR), Role.OWNER, Role.ANNOTATOR)
    with pytest.raises(Forbidden):
        require(Identity("person:1", "Bo", Role.VIEWER), Role.OWNER, Role.ANNOTATOR)


def test_the_pages_resolver_is_installed_once():
    with pytest.raises(SkysiftError, match=r"python app\.py"):
        resolver()
    install_resolver(lambda cookies: OWNER)
    try:
        assert resolver()({}) == OWNER
    finally:
        install_resolver(None)
