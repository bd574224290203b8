"""Which workspace a server serves, so that a browser's unsaved answers go to no other one.

Two workspaces may be served at the same address one after the other, with tasks of the same
name. What a browser kept for one of them waits until that one is served again.
"""

from __future__ import annotations

import os
import re
import secrets

from starlette.requests import Request

from core.workspace import Workspace, storage_errors
from pages._server.requests import Refused

__all__ = ["WORKSPACE_HEADER", "refuse_other_workspace", "workspace_id"]

WORKSPACE_HEADER = "x-skysift-workspace"
"""A page names in it the workspace that its post belongs to."""

ID_FILE = "workspace.id"
_ID = re.compile(r"[0-9a-f]{32}")


def workspace_id(workspace: Workspace) -> str:
    """The id of a workspace, 32 hexadecimal digits: made once, kept in the workspace, no secret.

    It stays when the folder is moved and when its labels are restored from a backup.
    """
    path = workspace.root / ID_FILE
    with storage_errors(path):
        if path.exists():
            kept = path.read_bytes()[:64].decode("ascii", "replace").strip()
            if _ID.fullmatch(kept):
                return kept
        made = secrets.token_hex(16)
        partial = path.with_suffix(".partial")
        partial.write_text(f"{made}\n", encoding="ascii")
        os.replace(partial, path)
    return made


def refuse_other_workspace(request: Request, here: str) -> None:
    """Raise `Refused` (421) for a post that was meant for another workspace than `here`."""
    if request.headers.get(WORKSPACE_HEADER, here) != here:
        raise Refused(
            421,
            "Another workspace is served at this address now; what was answered in the one"
            " before waits here until it is served again. Reload the page to label in this one.",
        )
