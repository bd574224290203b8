"""The labels of a task as a search needs them, read on from where the last reading ended."""

from __future__ import annotations

from labels_db import LabelsDB, SearchedObject, Task


class Followed:
    """What is known of one task's labels; the first `follow` reads them all, later ones what has
    happened since.

    Attributes
    ----------
    seq
        The last event that was read.
    classes
        object_id -> class of now.
    unlabelled
        Objects that somebody touched and that have no class.
    models
        Version of a model -> the sampler and the learner behind it, and the targets that it was
        made for.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.classes: dict[str, str] = {}
        self.unlabelled: set[str] = set()
        self.models: dict[int, tuple[str, str | None, tuple[str, ...]]] = {}
        self._searched: dict[str, SearchedObject] = {}
        self._version = 0

    @property
    def searched(self) -> list[SearchedObject]:
        """As `LabelsDB.searched`, in the order of the first labels."""
        return sorted(self._searched.values(), key=lambda one: one.seq)

    def follow(self, db: LabelsDB, task: Task) -> None:
        """Take in what has happened; all anew where the task was changed, which may settle
        objects otherwise."""
        name = task.name
        seq = db.last_seq(name)
        if not self.seq or seq < self.seq or task.version != self._version:
            self.classes, self.unlabelled = db.current_classes(name), db.unlabelled(name)
            self._searched = {one.object_id: one for one in db.searched(name)}
        elif seq > self.seq:
            for object_id, (is_there, class_name) in db.touched(name, self.seq).items():
                self._searched.pop(object_id, None)
                self.classes.pop(object_id, None)
                self.unlabelled.discard(object_id)
                if class_name is not None:
                    self.classes[object_id] = class_name
                elif is_there:
                    self.unlabelled.add(object_id)
            self._searched |= {one.object_id: one for one in db.searched(name, self.seq)}
        # What came while this was read is read again the next time.
        self.seq, self._version = seq, task.version
        self._follow_models(db, name)

    def _follow_models(self, db: LabelsDB, task: str) -> None:
        newest = db.latest_model(task)
        if newest is None or newest.version in self.models:
            return
        n_new = newest.version - max(self.models, default=0)
        models = db.models(task, last=n_new)
        targets = {
            version: db.targets_at(task, version) for version in {m.task_version for m in models}
        }
        self.models |= {
            one.version: (one.sampler, one.learner, targets[one.task_version]) for one in models
        }


__all__ = ["Followed"]
