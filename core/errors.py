"""The few errors Skysift raises on purpose.

Each message is one sentence for a person: what is wrong, what is allowed, what came, what to
do next. The command line and the pages print it as it stands, without a traceback.
"""

from __future__ import annotations


class SkysiftError(Exception):
    """Base of every error a person is meant to read."""


class BadInput(SkysiftError):
    """What was given cannot be used: a name, a file, a setting, a class."""


class NotFound(SkysiftError):
    """A survey, object, task, run or file that is not there."""


class AlreadyExists(SkysiftError):
    """A name that is taken and would have been overwritten."""


class NotReady(SkysiftError):
    """Something has to run first (an embedding, a map, labels of both kinds)."""


class InUse(SkysiftError):
    """Another process holds it: a workspace, a port, a job of the same kind."""


class Forbidden(SkysiftError):
    """Who asks may not do this: the role does not allow it, or access was taken away."""


class TooNew(SkysiftError):
    """Written by a newer Skysift than this one."""


class Damaged(SkysiftError):
    """A file of the workspace is not what its manifest says."""


class StorageFull(SkysiftError):
    """The disk took no more; what was there before is untouched."""


class Cancelled(SkysiftError):
    """A person stopped the job."""
