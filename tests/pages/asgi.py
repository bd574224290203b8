"""Calls an ASGI app without a network, as a browser would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Browser:
    """Keeps cookies and sends what a page on `origin` would send."""

    def __init__(self, app: ASGIApp, origin: str | None = "http://host:8501") -> None:
        self.app = app
        self.origin = origin
        self.cookies: dict[str, str] = {}

    def get(self, url: str, **headers: str) -> Answer:
        return self.send("GET", url, b"", headers)

    def post(self, url: str, body: Any, **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", **headers}
        if self.origin is not None:
            given.setdefault("origin", self.origin)
        return self.send("POST", url, raw, given)

    def send(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        _run(self.app(self._scope("http", method, url, headers), receive, send))
        start = next(m for m in sent if m["type"] == "http.response.start")
        answered = {k.decode().lower(): v.decode() for k, v in start["headers"]}
        if "set-cookie" in answered:
            cookie: SimpleCookie = SimpleCookie(answered["set-cookie"])
            self.cookies.update({name: one.value for name, one in cookie.items()})
        return Answer(start["status"], answered, b"".join(m.get("body", b"") for m in sent))

    def websocket(self, url: str, **headers: str) -> list[dict[str, Any]]:
        """What the app sends to a socket that is opened and closed at once."""
        sent: list[dict[str, Any]] = []
        events = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect"}])

        async def receive() -> dict[str, Any]:
            return next(events)

        async def send(message: Any) -> None:
            sent.append(message)

        _run(self.app(self._scope("websocket", "GET", url, headers), receive, send))
        return sent

    def _scope(self, kind: str, method: str, url: str, headers: dict[str, str]) -> dict[str, Any]:
        parts = urlsplit(url)
        given = {"host": "host:8501", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if self.cookies:
            given["cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        return {
            "type": kind,
            "method": method,
            "scheme": "http",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "root_path": "",
            "query_string": parts.query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in given.items()],
            "server": ("host", 8501),
            "client": ("127.0.0.1", 5),
            "http_version": "1.1",
        }


def _run(call: Awaitable[None]) -> None:
    async def whole() -> None:
        await call

    # In a thread of its own: another test's event loop may be running in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, whole()).result()
