"""Label events, tasks, people, queues and the registry of runs, in one SQLite file."""

from labels_db.ahead import MAX_AHEAD, Ahead
from labels_db.bulk import BULK_SOURCE, MAX_BULK, BulkDone, BulkGroup, BulkPlan, Fate
from labels_db.database import LabelsDB
from labels_db.incoming import ImportReport
from labels_db.network import network_filesystem
from labels_db.outgoing import EVENT_COLUMNS, LABEL_COLUMNS
from labels_db.people import Invitation, Person
from labels_db.records import (
    Ack,
    Answer,
    ClassDetail,
    CurrentLabel,
    Event,
    GoldResult,
    Handout,
    HandoutState,
    LeasedItem,
    ModelRecord,
    NewEvent,
    ObjectState,
    QueueItem,
    RunRow,
    Strategy,
    Task,
    TaskSpec,
    TaskVersion,
)
from labels_db.searched import SearchedObject
from labels_db.selections import Selection
from labels_db.task_checks import class_keys, document

__all__ = [
    "BULK_SOURCE",
    "EVENT_COLUMNS",
    "LABEL_COLUMNS",
    "MAX_AHEAD",
    "MAX_BULK",
    "Ack",
    "Ahead",
    "Answer",
    "BulkDone",
    "BulkGroup",
    "BulkPlan",
    "ClassDetail",
    "CurrentLabel",
    "Event",
    "Fate",
    "GoldResult",
    "Handout",
    "HandoutState",
    "ImportReport",
    "Invitation",
    "LabelsDB",
    "LeasedItem",
    "ModelRecord",
    "NewEvent",
    "ObjectState",
    "Person",
    "QueueItem",
    "RunRow",
    "SearchedObject",
    "Selection",
    "Strategy",
    "Task",
    "TaskSpec",
    "TaskVersion",
    "class_keys",
    "document",
    "network_filesystem",
]
