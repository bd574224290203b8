"""OpenID Connect: which settings are taken, and that only our own signed cookie counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from streamlit.auth_util import set_cookie_with_chunks
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from core.errors import BadInput
from core.vocabulary import Role
from labels_db import LabelsDB
from pages._server.identity import Identity, IdentityMiddleware, Resolver
from pages._server.oidc import Account, OpenID, read_openid
from tests.pages.asgi import Browser
from tests.pages.test_identity import inside, reached

SECRET = "0123456789abcdef0123456789abcdef"
ORIGIN = "http://host:8501"
CLAIMS = {
    "origin": ORIGIN,
    "is_logged_in": True,
    "provider": "default",
    "email": "ann@example.org",
    "email_verified": True,
}
OPENID = OpenID(Path("auth.toml"), ORIGIN, ("default", "orcid"), SECRET)
SETTINGS = f"""
[auth]
redirect_uri = "https://sky.example.org/oauth2callback"
cookie_secret = "{SECRET}"
client_id = "a"
client_secret = "b"
server_metadata_url = "https://id.example.org/.well-known/openid-configuration"
"""


def cookies(claims: Any, secret: str = SECRET, name: str = "_streamlit_user") -> dict[str, str]:
    """What Streamlit sets after a sign-in."""
    made: dict[str, str] = {}

    def sign(name: str, value: str) -> bytes:
        return create_signed_value(secret, name, value)

    def keep(name: str, value: str) -> None:
        made[name] = sign(name, value).decode()

    set_cookie_with_chunks(keep, sign, name, claims, cookie_attr_size=60)
    return made


# Settings


def read(tmp_path: Path, text: str, base_path: str = "") -> OpenID:
    path = tmp_path / "auth.toml"
    path.write_text(text)
    return read_openid(path, port=8501, base_path=base_path)


def test_settings_of_one_provider(tmp_path):
    openid = read(tmp_path, SETTINGS)
    assert openid.origin == "https://sky.example.org"
    assert openid.providers == ("default",)
    assert not openid.trust_missing_verification
    assert SECRET not in repr(openid)


def test_settings_of_named_providers(tmp_path):
    common, own = SETTINGS.split("client_id", 1)
    text = f"{common}\n[auth.orcid]\nclient_id{own}\n[auth.keycloak]\nclient_id{own}"
    text += "[skysift]\ntrust_missing_email_verified = true\n"
    openid = read(tmp_path, text)
    assert openid.providers == ("orcid", "keycloak")
    assert openid.trust_missing_verification


def test_the_port_and_the_base_path_are_part_of_the_address(tmp_path):
    text = SETTINGS.replace("https://sky.example.org/", "http://localhost:{port}/x/")
    assert read(tmp_path, text, "/x").origin == "http://localhost:8501"
    with pytest.raises(BadInput, match="ending in /x/oauth2callback"):
        read(tmp_path, SETTINGS, "/x")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[auth]", "[other]", r"no section \[auth\]"),
        ("[auth]", "[auth", "not TOML"),
        (SECRET, SECRET[:-1], "cookie_secret .* is shorter"),
        ("cookie_secret", "x", "cookie_secret .* is absent"),
        ("redirect_uri", "x", "redirect_uri .* is ''"),
        ("https://sky", "ftp://sky", "redirect_uri"),
        ("/oauth2callback", "/callback", "redirect_uri"),
        ("client_secret", "x", "no client_secret"),
        ("server_metadata_url", "x", "no server_metadata_url"),
        ("client_id", "[auth.my_own]\nclient_id", "underscore"),
    ],
)
def test_settings_that_cannot_be(tmp_path, old, new, said):
    with pytest.raises(BadInput, match=said):
        read(tmp_path, SETTINGS.replace(old, new))


def test_settings_that_are_not_there(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_openid(tmp_path / "none.toml", port=1, base_path="")


# The cookie


def test_the_account_in_the_cookie():
    assert OPENID.account(cookies(CLAIMS)) == Account("ann@example.org", True)
    assert OPENID.account({}) is None


def test_a_cookie_in_pieces():
    many = CLAIMS | {"groups": [f"{number * 7919**3 % 10**12}" for number in range(900)]}
    split = cookies(many)
    assert "_streamlit_user_2" in split
    assert OPENID.account(split) == Account("ann@example.org", True)
    del split["_streamlit_user_2"]
    assert OPENID.account(split) is None


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "http://host:8502"},
        {"origin": None},
        {"is_logged_in": False},
        {"is_logged_in": "yes"},
        {"provider": "another"},
        {"provider": None},
    ],
)
def test_a_cookie_of_another_app_is_not_ours(change):
    assert OPENID.account(cookies(CLAIMS | change)) is None


@pytest.mark.parametrize("said", [False, None, "false", 1, "yes"])
def test_an_address_must_be_verified(said):
    assert OPENID.account(cookies(CLAIMS | {"email_verified": said})) == Account(
        "ann@example.org", False
    )


def test_where_the_provider_never_says_it_can_be_trusted():
    trusting = OpenID(Path("auth.toml"), ORIGIN, ("default",), SECRET, True)
    silent = {name: value for name, value in CLAIMS.items() if name != "email_verified"}
    assert trusting.account(cookies(silent)) == Account("ann@example.org", True)
    denied = cookies(CLAIMS | {"email_verified": False})
    assert trusting.account(denied) == Account("ann@example.org", False)


@pytest.mark.parametrize("email", [None, "", " ", 7, ["ann@example.org"]])
def test_without_an_address_nobody_is_known(email):
    assert OPENID.account(cookies(CLAIMS | {"email": email})) == Account("", False)


@pytest.mark.parametrize(
    "forged",
    [
        cookies(CLAIMS, secret="another-secret-of-32-characters!"),
        cookies(CLAIMS, secret=""),
        # Signed by us, but as something else.
        {"_streamlit_user": cookies(CLAIMS, name="_streamlit_xsrf")["_streamlit_xsrf"]},
        {"_streamlit_user": json.dumps(CLAIMS)},
        {"_streamlit_user": cookies(CLAIMS)["_streamlit_user"][:-1]},
        {"_streamlit_user": "é" * 40},
        {"_streamlit_user": ""},
        cookies([1, 2]),
        cookies("text"),
    ],
)
def test_forged_cookies(forged):
    assert OPENID.account(forged) is None


# At the door


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "labels.sqlite"
    with LabelsDB(path) as database:
        database.ensure_owner("vera")
        database.add_person("Ann Lee", Role.ANNOTATOR, "vera", "ann@example.org")
    return path


def make_browser(path: Path, base_path: str = "") -> Browser:
    reached.clear()
    resolver = Resolver(
        token="a-token-of-the-tests",
        identity=Identity("owner", "vera", Role.OWNER),
        port=8501,
        people=lambda: LabelsDB(path),
        openid=OPENID,
    )
    return Browser(IdentityMiddleware(inside, resolver=resolver, base_path=base_path))


def test_an_invited_account_is_that_person(db):
    browser = make_browser(db)
    browser.cookies = cookies(CLAIMS | {"email": "ANN@example.org"})
    assert browser.get("/").body == b"inside as Ann Lee"
    assert browser.websocket("/_stcore/stream") == [{"type": "websocket.accept"}]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"email": "<eve>@example.org"}, b"&lt;eve&gt;@example.org, but nobody has invited you"),
        ({"email_verified": False}, b"does not say that this address is yours"),
        ({"email": ""}, b"did not tell your e-mail address"),
    ],
)
def test_an_account_that_is_nobodys_reaches_nothing(db, change, said):
    browser = make_browser(db)
    browser.cookies = cookies(CLAIMS | change)
    page = browser.get("/")
    assert page.status == 403
    assert said in page.body
    assert b"(vera)" in page.body
    assert browser.get("/api/task").status == 403
    assert "(vera)" in browser.post("/api/events", {}).json()["error"]
    assert browser.websocket("/_stcore/stream") == [{"type": "websocket.close", "code": 4403}]
    assert reached == []


def test_a_stranger_sees_the_buttons_and_the_form(db):
    body = make_browser(db).get("/map?task=a&x=%22").body.decode()
    wanted = "%2Fmap%3Ftask%3Da%26x%3D%2522"
    assert f'href="{ORIGIN}/sign-in?provider=default&amp;return={wanted}">Sign in<' in body
    assert f'href="{ORIGIN}/sign-in?provider=orcid&amp;return={wanted}">Sign in with orcid' in body
    assert 'name="token"' in body


@pytest.mark.parametrize("base", ["", "/x"])
def test_just_streamlits_own_sign_in_is_open(db, base):
    browser = make_browser(db, base)
    for path in ("/auth/login", "/oauth2callback", "/auth/logout", "/_stcore/health"):
        assert browser.get(f"{base}{path}?state=s").status == 200
    assert len(reached) == 4
    for path in ("/auth", "/auth/login/x", "/auth/login2", "/oauth2callback/", "/AUTH/login"):
        assert browser.get(f"{base}{path}").status == 401
    for path in ("/auth/login", "/oauth2callback", "/auth/logout"):
        assert browser.post(f"{base}{path}", {}).status == 401
        assert browser.get(f"/other{base}{path}").status == 401
        assert browser.websocket(f"{base}{path}")[0]["code"] == 4401
    assert len(reached) == 4


def test_another_sites_link_signs_nobody_out(db):
    browser = make_browser(db)
    assert browser.get("/auth/logout", **{"sec-fetch-site": "cross-site"}).status == 401
    assert browser.post("/sign-out", {}, origin="http://evil.example").status == 403
    assert reached == []


@pytest.mark.parametrize(
    "wanted",
    [
        *("//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"),
        *("/\t/evil.example", "/x\r\nset-cookie: a=b", "/é", "", "map", "/" + "a" * 3000),
    ],
)
def test_nobody_is_sent_elsewhere_after_the_sign_in(db, wanted):
    browser = make_browser(db)
    browser.cookies = cookies(CLAIMS) | {"skysift-8501-return": quote(wanted, safe="")}
    answer = browser.get("/")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert reached == []


def test_the_page_that_was_wanted_comes_after_the_sign_in(db):
    browser = make_browser(db, "/x")
    browser.cookies = cookies(CLAIMS) | {"skysift-8501-return": "%2Fx%2Fmap%3Ftask%3Da%2520b"}
    answer = browser.get("/x/")
    assert answer.headers["location"] == "/x/map?task=a%20b"
    assert 'skysift-8501-return=""' in answer.headers["set-cookie"]


def test_signing_out_goes_through_streamlit(db):
    browser = make_browser(db, "/x")
    browser.cookies = cookies(CLAIMS)
    answer = browser.post("/x/sign-out", {})
    assert (answer.status, answer.headers["location"]) == (303, "/x/auth/logout")


def test_a_provider_that_there_is_not(db):
    assert b"no such way" in make_browser(db).get("/sign-in?provider=evil").body


def test_without_the_settings_the_cookie_and_the_routes_are_nothing(db):
    resolver = Resolver(
        token="a-token-of-the-tests",
        identity=Identity("owner", "vera", Role.OWNER),
        port=8501,
        people=lambda: LabelsDB(db),
    )
    browser = Browser(IdentityMiddleware(inside, resolver=resolver))
    browser.cookies = cookies(CLAIMS)
    reached.clear()
    for path in ("/", "/auth/login", "/oauth2callback", "/auth/logout", "/sign-in"):
        assert browser.get(path).status == 401
    assert reached == []
