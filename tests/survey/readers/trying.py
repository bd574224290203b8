"""What tests of readers of archives and array files share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.errors import BadInput
from core.survey.readers import Reader
from core.survey.readers.kept import let_go
from tests.survey.readers.reading import Read, read_all


def pixels_of(found: Read) -> np.ndarray:
    """(object, band, y, x) of all objects, each of which must have an image."""
    images = [image for image in found.images if image is not None]
    assert len(images) == len(found.ids)
    return np.stack(images)


def survives(make: Callable[[], Reader]) -> None:
    """Damaged data are refused in a sentence, or read with every entry told of."""
    message = ""
    try:
        found = read_all(make())
        assert found.ids or found.rejects
    except BadInput as error:
        message = str(error) or "x" * 3000
    finally:
        let_go()
    assert len(message) < 3000


def calls_of(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[Any]:
    """A list that grows by the arguments of each call of a method."""
    calls: list[Any] = []
    method = getattr(owner, name)

    def counted(*args: Any) -> Any:
        calls.append(args)
        return method(*args)

    monkeypatch.setattr(owner, name, counted)
    return calls
