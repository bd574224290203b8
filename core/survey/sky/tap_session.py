"""What pyvo asks TAP services through: silence ends, and what may pass is asked again."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from core.survey.sky.client import user_agent

if TYPE_CHECKING:
    import requests

_RETRIES = 4


def tap_session(timeout_s: float) -> requests.Session:
    """A session of requests; to be closed."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    class Patient(HTTPAdapter):
        def send(self, request: Any, *args: Any, **more: Any) -> Any:
            more["timeout"] = more.get("timeout") or timeout_s
            response = super().send(request, *args, **more)
            # pyvo reads what it needs of a stream and leaves the connection open.
            content = response.content
            response.raw = _Raw(content, response.raw)
            return response

    retry = Retry(
        total=_RETRIES,
        connect=1,
        backoff_factor=1.0,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Patient(max_retries=retry))
    session.headers["User-Agent"] = user_agent()
    return session


class _Raw(io.BytesIO):
    """A body that was read already, where a stream is expected; the rest is the response's."""

    def __init__(self, content: bytes, response: Any) -> None:
        super().__init__(content)
        self._response = response

    def read(self, size: int | None = -1, decode_content: bool = True) -> bytes:  # noqa: ARG002
        return super().read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)
