"""Who asks: a secret or a signed-in account, checked on every way in.

A token works as Jupyter's does: it arrives once in a link, is put into an HttpOnly cookie and
leaves the address bar. It is the one printed at start, or that of an invitation. Every HTTP and
WebSocket request passes here, Streamlit's own included; only the health check is open, and the
three addresses by which Streamlit signs people in, where that is set up.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import SkysiftError
from core.vocabulary import Role
from pages._server.oidc import DEFAULT_PROVIDER
from pages._server.resolver import (
    OWNER,
    Identity,
    Refusal,
    Resolver,
    Why,
    install_resolver,
    require,
    resolver,
)
from pages._server.sign_in_pages import sign_in_page, uninvited_page

__all__ = [
    "OWNER",
    "USER_HEADER",
    "Identity",
    "IdentityMiddleware",
    "Refusal",
    "Resolver",
    "Why",
    "identity_of",
    "install_resolver",
    "require",
    "resolver",
]

USER_HEADER = "x-skysift-user"
"""A page names in it the user whom it was drawn for: not to be believed, but to be held to."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WS_TRY_LATER = 1013
WS_UNAUTHORISED = 4401
WS_FORBIDDEN = 4403
COOKIE_SECONDS = 30 * 24 * 3600
SIGN_IN_SECONDS = 600
MAX_RETURN_LENGTH = 2000

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    # The first link holds the token; no other site may learn it from a Referer.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"frame-ancestors 'self'"),
)
_log = logging.getLogger("skysift.people")


def identity_of(connection: HTTPConnection) -> Identity:
    """Return the identity that the middleware put into this request's state."""
    identity: Identity = connection.scope["state"]["identity"]
    return identity


class IdentityMiddleware:
    """ASGI middleware that lets through only whom the resolver knows.

    Parameters
    ----------
    app
        What is guarded.
    resolver
        From cookies to a person; made of `who`, the arguments of `Resolver`, if absent.
    base_path
        Path prefix of the app, "" or "/x".
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        *,
        resolver: Resolver | None = None,
        base_path: str = "",
        **who: Any,
    ) -> None:
        self.app = app
        self._resolver = resolver or Resolver(**who)
        self._openid = self._resolver.openid
        self._base = base_path
        self._home = f"{base_path}/"
        self._return_cookie = f"{self._resolver.cookie}-return"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = _with_headers(send)
        answer: Response | None
        if self._is_open(scope):
            answer = None
        else:
            try:
                answer = await self._answer(HTTPConnection(scope), scope)
            except SkysiftError as error:  # the label database cannot be read
                _log.error("Nobody can be let in: %s", error)
                answer = JSONResponse({"error": str(error)}, status_code=503)
        await (answer or self.app)(scope, receive, guarded)

    def _is_open(self, scope: Scope) -> bool:
        """True for what needs nobody: the health check, and Streamlit's sign-in."""
        path, method = scope["path"].removeprefix(self._base), scope["method"]
        if not scope["path"].startswith(self._home):
            return False
        if path == "/_stcore/health":
            return method in SAFE_METHODS
        if self._openid is None or method != "GET":
            return False
        if path == "/auth/logout":
            # Another site's link must not sign anybody out.
            return Headers(scope=scope).get("sec-fetch-site", "none") in {"same-origin", "none"}
        return path in {"/auth/login", "/oauth2callback"}

    async def _answer(self, connection: HTTPConnection, scope: Scope) -> Response | None:
        """The response that ends this request here; None lets it through, with its identity."""
        method, path = scope["method"], scope["path"]
        is_api = path.startswith(f"{self._base}/api/")
        if path == f"{self._base}/sign-out" and method == "POST":
            return self._sign_out(connection)
        if path == f"{self._base}/sign-in" and method == "GET" and self._openid is not None:
            return self._sign_in(connection)
        offered = connection.query_params.get("token")
        if offered is not None and method in SAFE_METHODS and not is_api:
            return await self._offered(offered, scope)
        found = await self._resolve(connection)
        if isinstance(found, Refusal):
            if is_api or method not in SAFE_METHODS:
                return self._refused_json(found)
            return self._refused_page(found, connection, scope)
        refusal = _crossing(connection.headers, method, is_api=is_api)
        if refusal is None:
            refusal = _another_user(connection.headers, found)
        # How a viewer likes to look, and at which part of the map, is nobody else's business:
        # that they may write.
        is_own = path in (f"{self._base}/api/preferences", f"{self._base}/api/map_select")
        if refusal is None and is_api and not is_own and method not in SAFE_METHODS:
            refusal = _looking_only(found)
        if refusal is not None:
            return refusal
        came_back = method == "GET" and self._return_cookie in connection.cookies
        if came_back and path.rstrip("/") == self._base:
            return self._return(connection)
        scope.setdefault("state", {})["identity"] = found
        return None

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        try:
            found = await self._resolve(connection)
        except SkysiftError as error:
            _log.error("Nobody can be let in: %s", error)
            await send({"type": "websocket.close", "code": WS_TRY_LATER})
            return
        if isinstance(found, Refusal):
            known = found.why in (Why.UNINVITED, Why.UNVERIFIED)
            code = WS_FORBIDDEN if known else WS_UNAUTHORISED
            await send({"type": "websocket.close", "code": code})
            return
        # A program without a browser sends no Origin; it holds the cookie and may pass.
        if "origin" in connection.headers and not _same_origin(connection.headers):
            await send({"type": "websocket.close", "code": WS_FORBIDDEN})
            return
        scope.setdefault("state", {})["identity"] = found
        await self.app(scope, receive, send)

    async def _resolve(self, connection: HTTPConnection) -> Identity | Refusal:
        cookies = connection.cookies
        if self._resolver.is_owner(cookies.get(self._resolver.cookie)):
            return self._resolver.owner
        # It reads the label database: a slow disk must not hold the event loop.
        return await run_in_threadpool(self._resolver, cookies)

    async def _offered(self, token: str, scope: Scope) -> Response:
        """Answer a link with a token: a cookie and the page, or that it is wrong."""
        known = self._resolver.is_owner(token)
        if not known and self._resolver.has_people:
            known = await run_in_threadpool(self._resolver.by_secret, token) is not None
        if known:
            return self._welcome(token, scope)
        wrong = "That token is not the one of this server"
        wrong += ", or it was revoked or has expired." if self._resolver.has_people else "."
        return self._sign_in_page(scope, wrong)

    def _welcome(self, token: str, scope: Scope) -> Response:
        """Set the cookie and send the browser to the same page without the token."""
        response = RedirectResponse(_without_token(scope), 303)
        response.set_cookie(
            self._resolver.cookie,
            token,
            max_age=COOKIE_SECONDS,
            path=self._base or "/",
            httponly=True,
            secure=_is_https(scope),
            # Lax, not Strict: a link to an object in a colleague's mail must open signed in.
            # Nothing is changed by a GET, and every other method needs our own Origin.
            samesite="lax",
        )
        response.headers["cache-control"] = "no-store"
        return response

    # Streamlit's sign-in

    def _sign_in(self, connection: HTTPConnection) -> Response:
        """Hand over to Streamlit's auth/login, remembering the page that was wanted."""
        assert self._openid is not None
        provider = connection.query_params.get("provider", DEFAULT_PROVIDER)
        if provider not in self._openid.providers:
            return self._sign_in_page(connection.scope, "There is no such way to sign in.")
        token = quote(self._openid.login_token(provider))
        response = RedirectResponse(f"{self._base}/auth/login?provider={token}", 303)
        response.set_cookie(
            self._return_cookie,
            quote(self._local(connection.query_params.get("return")), safe=""),
            max_age=SIGN_IN_SECONDS,
            path=self._base or "/",
            httponly=True,
            secure=_is_https(connection.scope),
            samesite="lax",
        )
        response.headers["cache-control"] = "no-store"
        return response

    def _return(self, connection: HTTPConnection) -> Response:
        """Go on to the page that was wanted before the sign-in."""
        wanted = self._local(unquote(connection.cookies[self._return_cookie]))
        response = RedirectResponse(wanted, 303)
        response.delete_cookie(self._return_cookie, path=self._base or "/")
        response.headers["cache-control"] = "no-store"
        return response

    def _local(self, address: str | None) -> str:
        """Return `address` if it is a page of this app, else the first page."""
        if (
            address
            and len(address) <= MAX_RETURN_LENGTH
            and address.isascii()
            and address.isprintable()
            and address.startswith(self._home)
            and not address.startswith("//")
            and not set(address) & set(' \\"<>')
        ):
            return address
        return self._home

    def _sign_out(self, connection: HTTPConnection) -> Response:
        if not _same_origin(connection.headers):
            return _not_our_page()
        through_streamlit = (
            self._openid is not None and self._openid.account(connection.cookies) is not None
        )
        response = RedirectResponse(
            f"{self._base}/auth/logout" if through_streamlit else self._home, 303
        )
        for name in (self._resolver.cookie, self._return_cookie):
            response.delete_cookie(name, path=self._base or "/", httponly=True, samesite="lax")
        response.headers["cache-control"] = "no-store"
        return response

    # Refusals

    def _refused_json(self, refusal: Refusal) -> Response:
        if refusal.why in (Why.UNINVITED, Why.UNVERIFIED):
            return JSONResponse({"error": self._uninvited(refusal)}, status_code=403)
        sentence = (
            "This browser is not signed in; open the link that the server printed when it started"
        )
        if self._resolver.has_people:
            sentence = (
                "This browser is no longer signed in; reload the page, or open your link again"
                if refusal.why is Why.STALE
                else f"{sentence}, or the one of your invitation"
            )
        return JSONResponse({"error": f"{sentence}."}, status_code=401)

    def _refused_page(
        self, refusal: Refusal, connection: HTTPConnection, scope: Scope
    ) -> Response:
        if refusal.why in (Why.UNINVITED, Why.UNVERIFIED):
            return uninvited_page(self._uninvited(refusal), f"{self._base}/sign-out")
        wrong = ""
        if refusal.why is Why.STALE and self._resolver.has_people:
            wrong = (
                "This browser is no longer signed in: the link that it came by was revoked, has"
                " expired or was replaced."
            )
        elif self._openid is not None and self._return_cookie in connection.cookies:
            wrong = (
                "Signing in was not finished; try again, and if it fails again tell"
                f" {self._resolver.owner.annotator}."
            )
        response = self._sign_in_page(scope, wrong)
        if self._return_cookie in connection.cookies:
            response.delete_cookie(self._return_cookie, path=self._base or "/")
        return response

    def _uninvited(self, refusal: Refusal) -> str:
        owner = self._resolver.owner.annotator
        if refusal.why is Why.UNINVITED:
            return (
                f"You are signed in as {refusal.email}, but nobody has invited you; ask the owner"
                f" ({owner})."
            )
        if not refusal.email:
            return (
                "You are signed in, but your provider did not tell your e-mail address; ask the"
                f" owner ({owner})."
            )
        return (
            f"You are signed in as {refusal.email}, but your provider does not say that this"
            f" address is yours; confirm it there, or ask the owner ({owner})."
        )

    def _sign_in_page(self, scope: Scope, wrong: str) -> Response:
        links = []
        if self._openid is not None:
            wanted = self._local(_without_token(scope))
            if urlsplit(wanted).path == f"{self._base}/sign-in":
                wanted = self._home
            for provider in self._openid.providers:
                query = urlencode({"provider": provider, "return": wanted})
                # At the address that the provider comes back to: localhost and 127.0.0.1 do
                # not share cookies.
                address = f"{self._openid.origin}{self._base}/sign-in?{query}"
                words = "Sign in" if provider == DEFAULT_PROVIDER else f"Sign in with {provider}"
                links.append((address, words))
        query = scope["query_string"].decode("latin-1")
        return sign_in_page(query, wrong=wrong, links=links)


def _crossing(headers: Headers, method: str, *, is_api: bool) -> Response | None:
    """The refusal of what another site sent."""
    if method not in SAFE_METHODS and not _same_origin(headers):
        return _not_our_page()
    # Another local server (a notebook, say) is "same-site": its pages would send our cookie.
    if is_api and headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return JSONResponse(
            {"error": "Skysift's data may be read by its own pages only."}, status_code=403
        )
    return None


def _another_user(headers: Headers, identity: Identity) -> Response | None:
    """The refusal of a page that was opened by another user of the same browser.

    Its cookie is now somebody else's, and what waits in the page must not be written as theirs.
    """
    if headers.get(USER_HEADER, identity.user) == identity.user:
        return None
    return JSONResponse(
        {
            "error": f"This browser is now signed in as {identity.annotator}, but the page was"
            " opened by somebody else; sign in again as who opened it, or reload the page."
        },
        status_code=401,
    )


def _looking_only(identity: Identity) -> Response | None:
    if identity.role is not Role.VIEWER:
        return None
    return JSONResponse(
        {"error": f"{identity.annotator} is here to look only; ask the owner for more."},
        status_code=403,
    )


def _not_our_page() -> Response:
    return JSONResponse(
        {"error": "A request that changes something must come from Skysift's own page."},
        status_code=403,
    )


def _without_token(scope: Scope) -> str:
    query = [
        pair
        for pair in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if pair[0] != "token"
    ]
    # A path such as //other.example would be read by the browser as another host.
    path = "/" + scope.get("raw_path", scope["path"].encode()).decode("latin-1").lstrip("/")
    return path + (f"?{urlencode(query)}" if query else "")


def _is_https(scope: Scope) -> bool:
    forwarded = Headers(scope=scope).get("x-forwarded-proto", "").split(",")[0].strip()
    return "https" in (scope.get("scheme"), forwarded)


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
