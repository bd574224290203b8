"""Who a page is drawn for, looked up anew at every run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from core.vocabulary import Role
from pages._server.identity import Identity, Refusal, Why, install_resolver

answers: list[Identity | Refusal] = []


@pytest.fixture(autouse=True)
def installed(services) -> Iterator[None]:
    install_resolver(lambda cookies: answers[-1])
    yield
    install_resolver(None)
    answers.clear()


def script() -> None:
    import streamlit as st

    from pages._shared.faults import on_script_error
    from pages._shared.who import sign_out_button, who

    try:
        st.write(f"drawn for {who().annotator}")
        sign_out_button()
    except Exception as error:
        on_script_error(error)


def test_a_page_is_drawn_for_whom_it_is_now(services) -> None:
    page = AppTest.from_function(script)
    answers.append(Identity("person:1", "Bo", Role.ANNOTATOR))
    page.run()
    assert [one.value for one in page.markdown] == ["drawn for Bo"]
    assert 'action="/sign-out"' in page.get("html")[0].proto.body
    answers.append(Refusal(Why.STALE))
    page.run()
    assert not page.markdown
    assert "no longer signed in" in page.error[0].value


def test_the_owner_has_no_sign_out_button(services) -> None:
    page = AppTest.from_function(script)
    answers.append(Identity("owner", "vera", Role.OWNER))
    page.run()
    assert [one.value for one in page.markdown] == ["drawn for vera"]
    assert not page.get("html")
