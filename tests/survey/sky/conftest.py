from __future__ import annotations

import pytest

from tests.survey.sky.server import Archive


@pytest.fixture
def archive(monkeypatch):
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    with Archive() as one:
        yield one
