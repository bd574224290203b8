"""OpenID Connect through Streamlit's own sign-in: its settings, and the cookie it leaves.

Streamlit talks to the provider (the routes auth/login and oauth2callback) and keeps what it
learnt in a signed cookie. Who that is to Skysift is decided here at every request, from the
e-mail address in it.
"""

from __future__ import annotations

import importlib.util
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import BadInput

__all__ = ["Account", "OpenID", "read_openid"]

SECRET_LENGTH = 32
PROVIDER_KEYS = ("client_id", "client_secret", "server_metadata_url")
DEFAULT_PROVIDER = "default"
REQUIREMENTS = "Authlib==1.9.10 httpx==0.28.1"
TRUST = "trust_missing_email_verified"


@dataclass(frozen=True)
class Account:
    """Whom a provider signed in; `verified`: the provider says the address is theirs."""

    email: str
    verified: bool


@dataclass(frozen=True)
class OpenID:
    """How this server signs people in through OpenID Connect.

    Attributes
    ----------
    file
        The settings file, in the form of Streamlit's secrets.toml.
    origin
        Scheme and host at which the provider hands people back.
    providers
        Their names; "default" where the file names none.
    cookie_secret
        Signs the cookie.
    trust_missing_verification
        Take an address of which the provider does not say whether it was checked.
    """

    file: Path
    origin: str
    providers: tuple[str, ...]
    cookie_secret: str = field(repr=False)
    trust_missing_verification: bool = False

    def account(self, cookies: Mapping[str, str]) -> Account | None:
        """Return the account in Streamlit's cookie; None if there is none or it is not ours.

        Cookies are shared by all ports of a host, so that one of another app on this host may
        come: it names another origin, or is signed with another secret.
        """
        from streamlit.auth_util import get_cookie_with_chunks
        from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
        from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

        def single(name: str) -> bytes | None:
            value = cookies.get(name)
            if not value or not value.isascii():
                return None
            return decode_signed_value(self.cookie_secret, name, value)

        signed = get_cookie_with_chunks(single, USER_COOKIE_NAME)
        if signed is None:
            return None
        try:
            claims = json.loads(signed)
        except ValueError:
            return None
        if not isinstance(claims, dict) or claims.get("is_logged_in") is not True:
            return None
        if claims.get("origin") != self.origin or claims.get("provider") not in self.providers:
            return None
        email = claims.get("email")
        if not isinstance(email, str) or not email.strip():
            return Account("", False)
        return Account(email.strip(), self._verified(claims))

    def login_token(self, provider: str) -> str:
        """Return what Streamlit's auth/login wants to be told; good for two minutes."""
        from streamlit.auth_util import encode_provider_token

        return encode_provider_token(provider)

    def _verified(self, claims: Mapping[str, Any]) -> bool:
        said = claims.get("email_verified")
        if said is None:
            return self.trust_missing_verification
        return said is True or said == "true"  # some providers send text


def read_openid(path: Path, *, port: int, base_path: str) -> OpenID:
    """Read and check the settings (`BadInput`).

    The same file is given to Streamlit, which reads the rest of it.
    """
    auth, own = _sections(path)
    secret = auth.get("cookie_secret")
    if not isinstance(secret, str) or len(secret) < SECRET_LENGTH:
        raise BadInput(
            f"cookie_secret in {path} has at least {SECRET_LENGTH} characters, but"
            f" {'is absent' if not secret else 'is shorter'}; make one with"
            " `python -c 'import secrets; print(secrets.token_urlsafe(32))'`."
        )
    trust = own.get(TRUST, False)
    if not isinstance(trust, bool):
        raise BadInput(f"{TRUST} in {path} is true or false, but is {str(trust)[:40]!r}.")
    if importlib.util.find_spec("authlib") is None or importlib.util.find_spec("httpx") is None:
        raise BadInput(
            "Signing in through OpenID Connect needs two more packages; run `pip install"
            f" {REQUIREMENTS}`."
        )
    return OpenID(
        file=path,
        origin=_origin(auth.get("redirect_uri"), path, port, base_path),
        providers=_providers(auth, path),
        cookie_secret=secret,
        trust_missing_verification=trust,
    )


def _sections(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(
            f"The sign-in settings {path} cannot be read ({error.strerror}); name another file."
        ) from None
    except ValueError as error:  # broken TOML or text
        raise BadInput(
            f"The sign-in settings {path} are not TOML ({error}); correct it."
        ) from None
    if path.suffix != ".toml":
        raise BadInput(f"The sign-in settings are a .toml file, but are {path}; rename it.")
    auth, own = content.get("auth"), content.get("skysift", {})
    if not isinstance(auth, dict) or not isinstance(own, dict):
        raise BadInput(f"The sign-in settings {path} have no section [auth]; see docs/group.md.")
    return auth, own


def _origin(redirect_uri: Any, path: Path, port: int, base_path: str) -> str:
    wanted = f"{base_path}/oauth2callback"
    given = str(redirect_uri or "").replace("{port}", str(port))
    try:
        parts = urlsplit(given)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path != wanted:
        raise BadInput(
            f"redirect_uri in {path} is the address of this server ending in {wanted}, such as"
            f" https://skysift.example.org{wanted}, but is {given[:200]!r}; correct it there"
            " and with the provider."
        )
    return f"{parts.scheme}://{parts.netloc}"


def _providers(auth: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    named: dict[str, Mapping[str, Any]]
    named = {name: value for name, value in auth.items() if isinstance(value, dict)}
    named.pop("client_kwargs", None)
    if not named or any(key in auth for key in PROVIDER_KEYS):
        named = {DEFAULT_PROVIDER: auth, **named}
    for name, section in named.items():
        absent = [key for key in PROVIDER_KEYS if not section.get(key)]
        if absent:
            raise BadInput(
                f"The provider {name!r} in {path} needs {', '.join(PROVIDER_KEYS)}, but has no"
                f" {' and no '.join(absent)}; copy them from the provider's page."
            )
        if "_" in name:
            raise BadInput(
                f"A provider's name has no underscore, but one in {path} is {name!r}; rename it."
            )
    return tuple(named)
