"""From a browser's cookies to a person: asked at every request and at every run of a page.

The holder of the start token is the owner, and nothing else is looked at. Everybody else is
looked up in the label database each time, so that access taken away is gone with the next
request.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from core.errors import Forbidden, SkysiftError
from core.vocabulary import Role
from labels_db.people import People, Person
from pages._server.oidc import OpenID

__all__ = [
    "OWNER",
    "Identity",
    "Refusal",
    "Resolver",
    "Why",
    "install_resolver",
    "require",
    "resolver",
]

OWNER = "owner"
"""The `user` of whoever holds the start token."""

NOTE_SECONDS = 3600.0
_RANK = {Role.VIEWER: 0, Role.ANNOTATOR: 1, Role.OWNER: 2}
_log = logging.getLogger("skysift.people")


@dataclass(frozen=True)
class Identity:
    """Who a request comes from, as the server knows it (never as the browser claims).

    Attributes
    ----------
    user
        The account: "owner" for the holder of the start token, else "person:" and a number.
    annotator
        The name written into label events.
    role
        What they may do.
    """

    user: str
    annotator: str
    role: Role = Role.ANNOTATOR


class Why(Enum):
    """Why a browser is not let in."""

    STRANGER = "it holds nothing"
    STALE = "what it holds is no longer good"
    UNINVITED = "it is signed in with an account that nobody invited"
    UNVERIFIED = "the provider does not vouch for the e-mail address"


@dataclass(frozen=True)
class Refusal:
    """Nobody: `email` is that of the account where there is one."""

    why: Why
    email: str = ""


class Resolver:
    """Tells whom cookies stand for; may be called from any thread.

    Parameters
    ----------
    token
        The secret printed at start.
    identity
        Whom the token stands for.
    port
        Goes into the cookie's name: browsers share cookies between the ports of one host, and
        two servers must not log each other out.
    people
        Gives the calling thread's label database; None: there is nobody but the owner.
    openid
        How people sign in through OpenID Connect, if they may.
    """

    def __init__(
        self,
        *,
        token: str,
        identity: Identity,
        port: int,
        people: Callable[[], People] | None = None,
        openid: OpenID | None = None,
    ) -> None:
        self.owner = identity
        self.cookie = f"skysift-{port}"
        self.openid = openid
        self.has_people = people is not None
        self._token = token.encode()
        self._people = people
        self._noted: dict[tuple[int, str | None], float] = {}
        self._noting = threading.Lock()

    def __call__(self, cookies: Mapping[str, str]) -> Identity | Refusal:
        """Return who it is; reads the label database unless it is the owner."""
        held = cookies.get(self.cookie)
        found = self.by_secret(held)
        if found is not None:
            return found
        account = self.openid.account(cookies) if self.openid else None
        if account is None or self._people is None:
            return Refusal(Why.STALE if held else Why.STRANGER)
        if not account.verified:
            return Refusal(Why.UNVERIFIED, account.email)
        person = self._people().person_by_email(account.email)
        if person is None:
            return Refusal(Why.UNINVITED, account.email)
        self._note(person, None)
        return _identity(person)

    def is_owner(self, offered: str | None) -> bool:
        """True for the start token."""
        return offered is not None and hmac.compare_digest(
            offered.encode("utf-8", "replace"), self._token
        )

    def by_secret(self, offered: str | None) -> Identity | None:
        """Return whom the start token or the secret of a link stands for."""
        if not offered:
            return None
        if self.is_owner(offered):
            return self.owner
        person = self._people().person_by_secret(offered) if self._people else None
        if person is None:
            return None
        self._note(person, offered)
        return _identity(person)

    def _note(self, person: Person, secret: str | None) -> None:
        """Remember that they are here, once an hour; failing to does not keep them out."""
        assert self._people is not None
        key, now = (person.id, secret), time.monotonic()
        with self._noting:
            if now - self._noted.get(key, -NOTE_SECONDS) < NOTE_SECONDS:
                return
            self._noted[key] = now
        try:
            self._people().note_sign_in(person.id, secret)
        except SkysiftError as error:
            _log.warning("The visit of %s was not noted: %s", person.name, error)


def _identity(person: Person) -> Identity:
    return Identity(f"person:{person.id}", person.name, person.role)


def require(identity: Identity, *roles: Role) -> None:
    """Raise `Forbidden` unless the identity has one of the roles, or one that may do more."""
    if _RANK[identity.role] < min(_RANK[role] for role in roles):
        least = min(roles, key=_RANK.__getitem__)
        article = "a" if least is Role.VIEWER else "an"
        raise Forbidden(
            f"This needs {article} {least}, but {identity.annotator} is here as"
            f" {identity.role}; ask the owner for it."
        )


_installed: Callable[[Mapping[str, str]], Identity | Refusal] | None = None


def install_resolver(new: Callable[[Mapping[str, str]], Identity | Refusal] | None) -> None:
    """Make `new` what `resolver()` returns; done once by app.py (and by tests)."""
    global _installed
    _installed = new


def resolver() -> Callable[[Mapping[str, str]], Identity | Refusal]:
    """The process's resolver, for the pages."""
    if _installed is None:
        raise SkysiftError("Skysift's pages are served by `python app.py`; start that instead.")
    return _installed
