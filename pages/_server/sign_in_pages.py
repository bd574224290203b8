"""The pages that a browser sees before it is let in: plain HTML, nothing else to load."""

from __future__ import annotations

import html
from collections.abc import Sequence
from urllib.parse import parse_qsl

from starlette.responses import HTMLResponse

__all__ = ["sign_in_page", "uninvited_page"]

_FRAME = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>Skysift: sign in</title>
<style>
:root {{ color-scheme: dark light }}
body {{ margin:0; min-height:100vh; display:grid; place-items:center; background:#0c0f14;
  color:#d9dee7; font:16px/1.55 system-ui,sans-serif }}
main {{ width:min(26rem,calc(100vw - 3rem)) }}
h1 {{ font-size:1.35rem; font-weight:600; margin:0 0 .6rem }}
p {{ margin:0 0 1.2rem; color:#9aa5b6; overflow-wrap:anywhere }}
code {{ color:#d9dee7; font-size:.92em }}
form {{ display:flex; gap:.5rem }}
input {{ flex:1; min-width:0; padding:.6rem .8rem; border:1px solid #2c3442; border-radius:8px;
  background:#141922; color:inherit; font:inherit }}
button, .button {{ display:inline-block; padding:.6rem 1.1rem; border:0; border-radius:8px;
  background:#6db3f2; color:#08131f; font:inherit; font-weight:600; cursor:pointer;
  text-decoration:none; margin:0 .5rem .5rem 0 }}
form button {{ margin:0 }}
:focus-visible {{ outline:2px solid #6db3f2; outline-offset:2px }}
.wrong {{ color:#ff9d8a }}
@media (prefers-color-scheme: light) {{
  body {{ background:#f6f7f9; color:#1a2230 }} p {{ color:#566176 }} code {{ color:#1a2230 }}
  input {{ background:#fff; border-color:#cfd6e0 }} .wrong {{ color:#b3261e }}
  button, .button {{ background:#1f6fb8; color:#fff }} }}
</style></head><body><main><h1>Skysift</h1>{body}</main></body></html>"""

_TOKEN_FORM = """<p>{paste}</p>
<form method="get">{keep}<input name="token" type="password" aria-label="Token"{focus} required
autocomplete="off"><button>Open</button></form>"""
_PASTE = (
    "Paste the token printed when the server started: the part after <code>?token=</code> in the"
    " line that begins with <code>Open</code>, or in the link that you were sent."
)
_PASTE_INSTEAD = (
    "Or paste the token of your invitation: the part after <code>?token=</code> in the link that"
    " you were sent."
)


def sign_in_page(
    query: str, *, wrong: str = "", links: Sequence[tuple[str, str]] = ()
) -> HTMLResponse:
    """Ask for a token, and offer the links (address, words) to providers.

    `query` is that of the page that was wanted; the form keeps it. `wrong` is a sentence about
    what was tried.
    """
    keep = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name != "token"
    )
    body = f'<p class="wrong">{html.escape(wrong)}</p>' if wrong else ""
    if links:
        buttons = "".join(
            f'<a class="button" href="{html.escape(address)}">{html.escape(words)}</a>'
            for address, words in links
        )
        body += f"<p>{buttons}</p>"
    paste, focus = (_PASTE_INSTEAD, "") if links else (_PASTE, " autofocus")
    return _page(body + _TOKEN_FORM.format(paste=paste, keep=keep, focus=focus), 401)


def uninvited_page(sentence: str, sign_out: str) -> HTMLResponse:
    """Tell somebody who is signed in that this opens nothing here; they may sign out."""
    return _page(
        f"<p>{html.escape(sentence)}</p>"
        f'<form method="post" action="{html.escape(sign_out)}"><button>Sign out</button></form>',
        403,
    )


def _page(body: str, status: int) -> HTMLResponse:
    return HTMLResponse(
        _FRAME.format(body=body), status_code=status, headers={"cache-control": "no-store"}
    )
