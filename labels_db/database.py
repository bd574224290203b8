"""The label database as the rest of Skysift sees it."""

from __future__ import annotations

from labels_db.events import Events
from labels_db.queue import Queue
from labels_db.runs import Runs


class LabelsDB(Events, Queue, Runs):
    """Tasks, label events, queues and runs of one workspace, in one SQLite file.

    Use it as a context manager, one object a thread and process: it opens in about a
    millisecond. A method that writes returns only after its commit is on the disk; one that
    raises has changed nothing.
    """
