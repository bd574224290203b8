"""Label events, the head of the queue and the registry of runs, in one SQLite file."""

from labels_db.database import LabelsDB
from labels_db.network import network_filesystem
from labels_db.records import (
    Ack,
    CurrentLabel,
    Event,
    ModelRecord,
    NewEvent,
    QueueItem,
    RunRow,
    Task,
    TaskSpec,
)

__all__ = [
    "Ack",
    "CurrentLabel",
    "Event",
    "LabelsDB",
    "ModelRecord",
    "NewEvent",
    "QueueItem",
    "RunRow",
    "Task",
    "TaskSpec",
    "network_filesystem",
]
