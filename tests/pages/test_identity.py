"""Nobody gets past the middleware without the token, and no other origin changes anything."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from pages._server.identity import Identity, IdentityMiddleware
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


def make_app(base_path: str = "", port: int = 8501) -> IdentityMiddleware:
    return IdentityMiddleware(
        inside, token=TOKEN, identity=Identity("owner", "ann"), port=port, base_path=base_path
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
