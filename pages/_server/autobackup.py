"""Backs the label database up at the server's start and every few hours, if the labels changed."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from core.config import CareConfig
from core.errors import SkysiftError
from core.workspace import Workspace
from labels_db.retention import automatic_backup

__all__ = ["AutoBackup", "BackupStatus"]

log = logging.getLogger("skysift.backup")

LOOK_SECONDS = 60.0
"""The wall clock is looked at this often: a timer of hours stands still while a laptop sleeps."""
RETRY_SECONDS = 900.0
"""After a failure (a full disk) it is tried again sooner."""
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class BackupStatus:
    """How the last look went: when (s since 1970), the newest file it made, what went wrong.

    `problem` is the sentence of a backup that failed, and stays until one succeeds.
    """

    looked_at: float | None = None
    made: Path | None = None
    problem: str = ""


class AutoBackup:
    """A thread of the server; `close` ends it.

    A server killed in the middle of a copy leaves a file `.partial`, which a later backup
    removes.
    """

    def __init__(self, workspace: Workspace, config: CareConfig | None = None) -> None:
        self._workspace = workspace
        self._config = config or CareConfig()
        self._stop = threading.Event()
        self._status = BackupStatus()
        self._thread = threading.Thread(target=self._run, name="autobackup", daemon=True)

    @property
    def status(self) -> BackupStatus:
        """How the last look went."""
        return self._status

    def start(self) -> None:
        """Begin with a first look at once, in the background."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; a copy in the making is waited for a few seconds, then left."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def look(self) -> None:
        """Back up if the labels changed since the last automatic backup."""
        now = time.time()
        made = self._status.made
        try:
            new = automatic_backup(self._workspace.labels, self._config.keep)
        except SkysiftError as error:
            log.error("No automatic backup: %s", error)
            self._status = BackupStatus(now, made, str(error))
        except Exception as error:
            # The thread must outlive what nobody foresaw, and the next look may go well.
            log.exception("No automatic backup")
            sentence = (
                f"The automatic backup met an unforeseen error ({type(error).__name__}: {error});"
                f" the details are in {self._workspace.logs / 'server.log'}."
            )
            self._status = BackupStatus(now, made, sentence)
        else:
            if new is not None:
                log.info("Backed up to %s", new)
            self._status = BackupStatus(now, new or made, "")

    def _run(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._wait()

    def _wait(self) -> None:
        period = self._config.every_hours * 3600
        if self._status.problem:
            period = min(period, RETRY_SECONDS)
        began = time.time()
        # A clock that was set back counts as time gone by.
        while 0 <= (gone := time.time() - began) < period:
            if self._stop.wait(min(LOOK_SECONDS, period - gone)):
                return
