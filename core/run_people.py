"""Who may sign in, from the command line: what `python -m core.run person` does."""

from __future__ import annotations

import argparse
import shlex

from core.errors import BadInput
from core.vocabulary import Role
from core.workspace import Workspace, owner_name
from labels_db import LabelsDB


def act_on_person(workspace: Workspace, given: argparse.Namespace) -> str:
    """Do one act of `list`, `add`, `invite`, `role`, `disable`, `enable`; say what was done."""
    by = given.by or owner_name()
    with LabelsDB(workspace.labels) as db:
        if given.act == "list":
            lines = [
                f"{one.name}  {one.role.value}{'  disabled' if one.disabled_at else ''}"
                for one in db.people()
            ]
            return "\n".join(lines) or "Nobody was invited yet; `person add NAME` does that."
        if not given.name:
            raise BadInput(f"`person {given.act}` needs a name; give it after the word.")
        if given.act == "add":
            db.add_person(given.name, Role(given.role), by, email=given.email)
            invite = f"person invite {shlex.quote(given.name)}"
            return f"{given.name} may sign in as {given.role}; next, `{invite}`."
        if given.act == "invite":
            secret = db.invite(given.name, by)
            return (
                f"{given.name} signs in once by adding ?token={secret} to the server's address;"
                " it is shown only now, and an earlier link no longer works."
            )
        if given.act == "role":
            db.set_role(given.name, Role(given.role), by)
            return f"{given.name} is {given.role} now."
        if given.act == "disable":
            db.disable_person(given.name, by)
            return f"{given.name} may no longer sign in; what they answered stays."
        db.enable_person(given.name, by)
        return f"{given.name} may sign in again."
