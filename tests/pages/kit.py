"""What the tests of drawn pages share: drawing one, finding and pressing widgets, reading it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from streamlit.testing.v1 import AppTest

TIMEOUT_S = 30


def open_page(
    name: str, query: Mapping[str, str] | None = None, state: Mapping[str, Any] | None = None
) -> AppTest:
    """A page of the navigation as the shell draws it; `query` and `state` are what the address
    and the session have."""
    return _run(_draw_page, query or {}, {**(state or {}), "page of the test": name})


def open_panel(path: str, survey: str = "tiny") -> AppTest:
    """A panel that is drawn of a survey: "module:function" below pages/_shared."""
    return _run(_draw_panel, {}, {"panel of the test": path, "survey of the test": survey})


def one(elements: Iterable[Any], label: str) -> Any:
    """The one widget with this label."""
    found = [element for element in elements if element.label == label]
    assert len(found) == 1, (label, [element.label for element in elements])
    return found[0]


def press(script: AppTest, label: str) -> AppTest:
    """Press the one button with this label."""
    one(script.button, label).click().run()
    assert not script.exception
    return script


def labels_of(script: AppTest) -> list[str]:
    """Of the buttons."""
    return [button.label for button in script.button]


def text_of(script: AppTest) -> str:
    """What is written on the page, without Markdown's escapes."""
    kinds = (
        *(script.title, script.subheader, script.markdown, script.caption, script.get("html")),
        *(script.success, script.info, script.warning, script.error),
    )
    texts = (
        str(getattr(element, "value", None) or element.proto.body)
        for elements in kinds
        for element in elements
    )
    return "\n".join(texts).replace("\\", "")


def _run(script: Any, query: Mapping[str, str], state: Mapping[str, Any]) -> AppTest:
    made = AppTest.from_function(script, default_timeout=TIMEOUT_S)
    for key, value in query.items():
        made.query_params[key] = value
    for key, value in state.items():
        made.session_state[key] = value
    made.run()
    assert not made.exception
    return made


def _draw_page() -> None:
    """Runs in AppTest's own script: as the shell does."""
    import importlib

    import streamlit as st

    from pages._shared.tasks import choose_task

    choose_task()
    importlib.import_module(f"pages.{st.session_state['page of the test']}").draw()


def _draw_panel() -> None:
    """Runs in AppTest's own script."""
    import importlib

    import streamlit as st

    from pages._server.services import services

    module, name = st.session_state["panel of the test"].split(":")
    panel = getattr(importlib.import_module(f"pages._shared.{module}"), name)
    panel(services().survey(st.session_state["survey of the test"]))
