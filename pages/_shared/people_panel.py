"""People: who may come in, as what, and the links that let them; for the owner."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import pandas as pd
import streamlit as st

from core.errors import SkysiftError
from core.vocabulary import Role
from labels_db import Invitation, Person
from pages._server.services import services
from pages._shared.editing import as_owner, attempt, field
from pages._shared.times import ago, moment
from pages._shared.words import plain

__all__ = ["invitation_link", "people_panel"]

LASTS = {"Until revoked": None, "1 day": 1, "1 week": 7, "30 days": 30, "1 year": 365}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
LOG_SHOWN = 200

_CSS = """<style>
.people { display: grid; gap: .1rem; }
.people > div { display: grid; grid-template-columns: minmax(0, 2fr) minmax(5rem, 1fr)
  minmax(0, 2fr); gap: 0 1rem; padding: .55rem .2rem; align-items: baseline;
  border-bottom: 1px solid color-mix(in srgb, currentColor 12%, transparent); }
.people .name { font-weight: 600; overflow-wrap: anywhere; }
.people .small { font-size: .8rem; opacity: .72; overflow-wrap: anywhere; }
.people .out { opacity: .5; }
@media (max-width: 640px) { .people > div { grid-template-columns: minmax(0, 1fr) auto; }
  .people .seen { grid-column: 1 / -1; } }
</style>"""


def people_panel() -> None:
    """Draw everybody, what may be done to one of them, and the form for somebody new."""
    as_owner()
    database = services().db()
    people = database.people()
    links = {one.person: one for one in reversed(database.invitations())}
    if people:
        rows = "".join(_row(one, links.get(one.name)) for one in people)
        st.html(f'{_CSS}<div class="people">{rows}</div>')
    else:
        st.write("Nobody is invited yet: only the holder of the start token comes in.")
    st.space("small")
    left, right = st.columns(2, gap="medium")
    with left:
        if people:
            _manage(people)
    with right:
        _add()
    with st.expander("What was done to whom"):
        log = database.people_log(LOG_SHOWN)
        st.dataframe(
            pd.DataFrame(
                [(moment(one.at), one.by, one.act, one.person, one.detail) for one in log],
                columns=["When", "By", "Did", "To", "Detail"],
            ),
            hide_index=True,
            width="stretch",
        )


def _row(person: Person, link: Invitation | None) -> str:
    seen = "never here" if person.last_seen_at is None else f"here {_since(person.last_seen_at)}"
    if person.name == services().owner.annotator and person.last_seen_at is None:
        seen = "comes in by the start token"
    state = "disabled" if person.disabled_at else seen
    ways = [person.email] if person.email else []
    if link is not None:
        ways.append(_link_state(link))
    return (
        f"<div{' class=out' if person.disabled_at else ''}>"
        f'<div class="name">{html.escape(person.name)}</div>'
        f'<div class="small">{person.role}</div>'
        f'<div class="small seen">{html.escape(", ".join([state, *ways]))}</div></div>'
    )


def _since(text: str) -> str:
    when = moment(text)
    seconds = (datetime.now(UTC) - when).total_seconds()
    return ago(seconds) if seconds < 48 * 3600 else f"on {when:%-d %b %Y}"


def _link_state(link: Invitation) -> str:
    if link.revoked_at is not None:
        return "link revoked"
    if link.expires_at is None:
        return "has a link"
    ends = moment(link.expires_at)
    return f"link {'expired' if ends <= datetime.now(UTC) else 'until'} {ends:%-d %b %Y}"


def _add() -> None:
    key = f"new person {len(services().db().people())}/"
    with st.form("add a person"):
        name = st.text_input("Add a person", placeholder="Their name", key=f"{key}name")
        role = st.selectbox(
            "Role",
            (Role.ANNOTATOR, Role.VIEWER, Role.OWNER),
            format_func=_role_words,
            key=f"{key}role",
        )
        email = st.text_input(
            "E-mail address (optional)",
            key=f"{key}email",
            help="Lets them in through your sign-in provider, where one is set up.",
        )
        adopt = st.checkbox("Answers under this name that are there already are theirs")
        if st.form_submit_button("Add the person", type="primary"):
            attempt(
                lambda by: (
                    services().db().add_person(name, role, by, email.strip() or None, adopt=adopt)
                ),
                f"{name.strip()} is added; now make an invitation link.",
            )


def _role_words(role: Role) -> str:
    what = {
        Role.OWNER: "owner: everything",
        Role.ANNOTATOR: "annotator: labels and looks",
        Role.VIEWER: "viewer: looks",
    }
    return what[role]


def _manage(people: list[Person]) -> None:
    database = services().db()
    names = [one.name for one in people]
    # The newest first: whoever was just added is the one to be invited.
    chosen = st.selectbox("Person", names[::-1], key=f"person of {len(names)}")
    person = next(one for one in people if one.name == chosen)
    key = f"person {person.name}/"
    with st.form("person"):
        role = st.selectbox(
            "Role",
            tuple(Role),
            format_func=_role_words,
            key=field(f"{key}role", person.role),
        )
        email = st.text_input("E-mail address", key=field(f"{key}email", person.email or ""))
        if st.form_submit_button("Save the person"):

            def save(by: str) -> None:
                database.set_email(person.name, email.strip() or None, by)
                database.set_role(person.name, role or person.role, by)

            attempt(save, f"{person.name} is saved.")
    if person.disabled_at is not None:
        if st.button("Let them in again"):
            attempt(
                lambda by: database.enable_person(person.name, by),
                f"{person.name} may come in again.",
            )
        return
    lasts = st.selectbox("The link lasts", list(LASTS), index=2)
    if st.button("Make an invitation link", type="primary"):
        _invite(person, LASTS[lasts])
    live = [one for one in database.invitations(person.name) if one.revoked_at is None]
    for link in live:
        used = f"last used {_since(link.last_used_at)}" if link.last_used_at else "not used yet"
        st.caption(
            f"The link that {plain(link.created_by)} made {_since(link.created_at)}: {used}"
        )
        if st.button("Revoke the link", key=f"revoke {link.id}"):
            attempt(
                lambda by, link=link: database.revoke_invitation(link.id, by),  # type: ignore[misc]
                "The link is revoked; whoever came by it is out.",
            )
    if st.button("Take their access away", help="Their answers stay; they can be let in again."):
        attempt(
            lambda by: database.disable_person(person.name, by),
            f"{person.name} has no access any more.",
        )


def _invite(person: Person, days: int | None) -> None:
    try:
        until = None
        if days is not None:
            until = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
        secret = services().db().invite(person.name, as_owner(), until)
    except SkysiftError as error:
        st.error(str(error))
    else:
        _show_link(person.name, secret)


# A dialog and not a line on the page: its argument is kept nowhere, and closing it forgets it.
@st.dialog("Invitation link", width="large")
def _show_link(name: str, secret: str) -> None:
    link = invitation_link(st.context.url, services().base_path, secret)
    st.write(
        f"Send this to {plain(name)}, and to nobody else: whoever opens it comes in under that"
        " name. It is shown this once; links made for them before work no more."
    )
    st.code(link, language=None, wrap_lines=True)
    if urlsplit(link).hostname in LOOPBACK:
        st.caption(
            "This address works on this machine only. Where others reach the server, put its"
            " address in the place of the first part; docs/group.md says how to let them."
        )


def invitation_link(page: str | None, base_path: str, secret: str) -> str:
    """The link of a secret, at the origin under which the browser sees the page."""
    parts = urlsplit(page or "")
    origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return f"{origin}{base_path}/?{urlencode({'token': secret})}"
