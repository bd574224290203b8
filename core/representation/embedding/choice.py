"""Which finished embedding the tasks, the map and the neighbours of a survey use."""

from __future__ import annotations

import json
import os

from core.errors import Damaged, NotFound
from core.survey import RunRecord, Survey, finished_runs
from core.vocabulary import JobKind
from core.workspace import storage_errors

CHOSEN = "chosen.json"
"""In the survey's folder: the run's id and the content hash of the version that it is of."""


def choose_embedding(survey: Survey, run_id: str | None) -> None:
    """Have everything use the embedding of that run; None: the newest of the default encoder.

    Raises
    ------
    NotFound
        No finished embedding of this version of the survey has that id.
    """
    path = survey.folder / CHOSEN
    with storage_errors(path):
        if run_id is None:
            path.unlink(missing_ok=True)
            return
        there = [run.run_id for run in fitting_runs(survey)]
        if run_id not in there:
            listed = f"these are {', '.join(there[:5])}" if there else "there is none"
            raise NotFound(
                f"{run_id!r} is no finished embedding of {survey.name} as it is now ({listed});"
                f" choose one, or embed again by `python -m core.run embed {survey.name}"
                f" --workspace {survey.folder.parents[1]}`."
            )
        text = json.dumps({"run_id": run_id, "content_hash": survey.manifest.content_hash})
        partial = path.with_name(f"{CHOSEN}.{os.getpid()}.partial")
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)


def chosen_embedding(survey: Survey) -> str | None:
    """The run that somebody chose; None where nobody did, or it is of another version of the
    survey, or was deleted.

    Raises
    ------
    Damaged
        The file that says so cannot be read.
    """
    path = survey.folder / CHOSEN
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        run_id, content_hash = str(said["run_id"]), said["content_hash"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"{path}, which says what embedding is used, cannot be read ({str(error)[:120]});"
            " remove it and choose one again."
        ) from None
    if content_hash != survey.manifest.content_hash:
        return None
    return run_id if (survey.folder / "runs" / run_id).is_dir() else None


def fitting_runs(survey: Survey) -> list[RunRecord]:
    """The finished embeddings of this very content, the newest first.

    The hash, not the version alone: a survey made anew under an old name has other objects.
    """
    return [
        run
        for run in finished_runs(survey, JobKind.EMBED)
        if (run.record.get("survey") or {}).get("content_hash") == survey.manifest.content_hash
    ]
