"""Who asks: one token printed at start, kept by the browser in a cookie, checked on every way in.

The token works as Jupyter's does. It arrives once in a link, is put into an HttpOnly cookie and
leaves the address bar. Every HTTP and WebSocket request passes here, Streamlit's own included;
only the health check is open.
"""

from __future__ import annotations

import hmac
import html
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Identity", "IdentityMiddleware", "identity_of"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WS_UNAUTHORISED = 4401
WS_FORBIDDEN = 4403
COOKIE_SECONDS = 30 * 24 * 3600

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    # The first link holds the token; no other site may learn it from a Referer.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"frame-ancestors 'self'"),
)


@dataclass(frozen=True)
class Identity:
    """Who a request comes from, as the server knows it (never as the browser claims).

    Attributes
    ----------
    user
        The account; one server has one, "owner".
    annotator
        The name written into label events.
    """

    user: str
    annotator: str


def identity_of(connection: HTTPConnection) -> Identity:
    """Return the identity that the middleware put into this request's state."""
    identity: Identity = connection.scope["state"]["identity"]
    return identity


class IdentityMiddleware:
    """ASGI middleware that lets through only who holds the token.

    Parameters
    ----------
    app
        What is guarded.
    token
        The secret printed at start.
    identity
        Whom the token stands for.
    port
        Goes into the cookie's name: browsers share cookies between the ports of one host, and
        two servers must not log each other out.
    base_path
        Path prefix of the app, "" or "/x".
    """

    def __init__(
        self, app: ASGIApp, *, token: str, identity: Identity, port: int, base_path: str = ""
    ) -> None:
        self.app = app
        self._token = token.encode()
        self._identity = identity
        self._cookie = f"skysift-{port}"
        self._base = base_path
        self._health = f"{base_path}/_stcore/health"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = _with_headers(send)
        connection = HTTPConnection(scope)
        if scope["path"] == self._health and scope["method"] in SAFE_METHODS:
            await self.app(scope, receive, guarded)
            return
        refusal = self._refusal(connection, scope)
        if refusal is not None:
            await refusal(scope, receive, guarded)
            return
        scope.setdefault("state", {})["identity"] = self._identity
        await self.app(scope, receive, guarded)

    def _refusal(self, connection: HTTPConnection, scope: Scope) -> Response | None:
        """The response that ends this request here, or None to let it through."""
        method, headers = scope["method"], connection.headers
        is_api = scope["path"].startswith(f"{self._base}/api/")
        offered = connection.query_params.get("token")
        if offered is not None and method in SAFE_METHODS and not is_api:
            if self._matches(offered):
                return self._welcome(scope)
            return _ask_for_token(scope, wrong=True)
        if not self._matches(connection.cookies.get(self._cookie)):
            if is_api or method not in SAFE_METHODS:
                return JSONResponse(
                    {
                        "error": "This browser is not signed in; open the link that the server"
                        " printed when it started."
                    },
                    status_code=401,
                )
            return _ask_for_token(scope, wrong=False)
        if method not in SAFE_METHODS and not _same_origin(headers):
            return JSONResponse(
                {"error": "A request that changes something must come from Skysift's own page."},
                status_code=403,
            )
        # Another local server (a notebook, say) is "same-site": its pages would send our cookie.
        if is_api and headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            return JSONResponse(
                {"error": "Skysift's data may be read by its own pages only."}, status_code=403
            )
        return None

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        if not self._matches(connection.cookies.get(self._cookie)):
            await send({"type": "websocket.close", "code": WS_UNAUTHORISED})
            return
        # A program without a browser sends no Origin; it holds the cookie and may pass.
        if "origin" in connection.headers and not _same_origin(connection.headers):
            await send({"type": "websocket.close", "code": WS_FORBIDDEN})
            return
        scope.setdefault("state", {})["identity"] = self._identity
        await self.app(scope, receive, send)

    def _matches(self, offered: str | None) -> bool:
        return offered is not None and hmac.compare_digest(offered.encode(), self._token)

    def _welcome(self, scope: Scope) -> Response:
        """Set the cookie and send the browser to the same page without the token."""
        query = [
            pair
            for pair in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            if pair[0] != "token"
        ]
        # A path such as //other.example would be read by the browser as another host.
        path = "/" + scope.get("raw_path", scope["path"].encode()).decode("latin-1").lstrip("/")
        response = RedirectResponse(path + (f"?{urlencode(query)}" if query else ""), 303)
        response.set_cookie(
            self._cookie,
            self._token.decode(),
            max_age=COOKIE_SECONDS,
            path=self._base or "/",
            httponly=True,
            secure=scope.get("scheme") == "https",
            # Lax, not Strict: a link to an object in a colleague's mail must open signed in.
            # Nothing is changed by a GET, and every other method needs our own Origin.
            samesite="lax",
        )
        response.headers["cache-control"] = "no-store"
        return response


def _same_origin(headers: Headers) -> bool:
    """True if the browser says that one of our own pages sent this.

    Sec-Fetch-Site cannot be set by a page's script, and holds behind a proxy that rewrites Host;
    without it (plain HTTP from another machine) Origin is compared with Host.
    """
    if headers.get("sec-fetch-site") == "same-origin":
        return True
    origin = headers.get("origin")
    if not origin:
        return False
    hosts = {headers.get("host"), headers.get("x-forwarded-host")} - {None, ""}
    return urlsplit(origin).netloc in hosts


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            message["headers"] = [
                *message.get("headers", []),
                *(pair for pair in _SECURITY_HEADERS if pair[0] not in present),
            ]
        await send(message)

    return guarded


_TOKEN_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>Skysift: sign in</title>
<style>
:root {{ color-scheme: dark light }}
body {{ margin:0; min-height:100vh; display:grid; place-items:center; background:#0c0f14;
  color:#d9dee7; font:16px/1.55 system-ui,sans-serif }}
main {{ width:min(26rem,calc(100vw - 3rem)) }}
h1 {{ font-size:1.35rem; font-weight:600; margin:0 0 .6rem }}
p {{ margin:0 0 1.2rem; color:#9aa5b6 }} code {{ color:#d9dee7; font-size:.92em }}
form {{ display:flex; gap:.5rem }}
input {{ flex:1; min-width:0; padding:.6rem .8rem; border:1px solid #2c3442; border-radius:8px;
  background:#141922; color:inherit; font:inherit }}
button {{ padding:.6rem 1.1rem; border:0; border-radius:8px; background:#6db3f2; color:#08131f;
  font:inherit; font-weight:600; cursor:pointer }}
:focus-visible {{ outline:2px solid #6db3f2; outline-offset:2px }}
.wrong {{ color:#ff9d8a }}
@media (prefers-color-scheme: light) {{
  body {{ background:#f6f7f9; color:#1a2230 }} p {{ color:#566176 }} code {{ color:#1a2230 }}
  input {{ background:#fff; border-color:#cfd6e0 }} .wrong {{ color:#b3261e }}
  button {{ background:#1f6fb8; color:#fff }} }}
</style></head><body><main><h1>Skysift</h1>{wrong}
<p>Paste the token printed when the server started: the part after <code>?token=</code> in the
line that begins with <code>Open</code>.</p>
<form method="get">{keep}<input name="token" type="password" aria-label="Token" autofocus required
autocomplete="off"><button>Open</button></form></main></body></html>"""


def _ask_for_token(scope: Scope, *, wrong: bool) -> Response:
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    keep = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in query
        if name != "token"
    )
    line = '<p class="wrong">That token is not the one of this server.</p>' if wrong else ""
    return HTMLResponse(
        _TOKEN_PAGE.format(keep=keep, wrong=line),
        status_code=401,
        headers={"cache-control": "no-store"},
    )
