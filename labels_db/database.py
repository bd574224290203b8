"""The label database as the rest of Skysift sees it."""

from __future__ import annotations

from labels_db.ahead import AheadOfQueue
from labels_db.bulk import Bulk
from labels_db.gold import Gold
from labels_db.incoming import Incoming
from labels_db.outgoing import Outgoing
from labels_db.own import Own
from labels_db.people import People
from labels_db.preferences import Preferences
from labels_db.queue import Queue
from labels_db.runs import Runs
from labels_db.searched import Searched
from labels_db.selections import Selections
from labels_db.strategies import Strategies


class LabelsDB(
    Gold,
    Incoming,
    Outgoing,
    Own,
    Searched,
    Bulk,
    AheadOfQueue,
    Queue,
    People,
    Preferences,
    Runs,
    Selections,
    Strategies,
):
    """Tasks, label events, queues, people and runs of one workspace, in one SQLite file.

    Use it as a context manager, one object a thread and process: it opens in about a
    millisecond. A method that writes returns only after its commit is on the disk; one that
    raises has changed nothing.
    """
