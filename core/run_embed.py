"""The job `embed`: what its command line understands, and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.errors import BadInput
from core.vocabulary import DEFAULT, JobKind
from core.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from core.representation import Embedding

AddJob = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]

NEWEST = "newest"


def add_embed_job(job: AddJob) -> None:
    """Add `embed` and `embeddings` to the jobs."""
    sub = job("embed", _embed, "turn every object of a survey into its embedding")
    sub.set_defaults(stopped="the same command goes on where it was")
    sub.add_argument("survey")
    sub.add_argument("--encoder", default=DEFAULT)
    sub.add_argument(
        "--weights", default=None, help="a pretraining run's id, a folder, or shipped"
    )
    sub.add_argument(
        "--rotations",
        choices=("1", "2", "4"),
        default=None,
        help="quarter turns that a network's codes are averaged over (default 4)",
    )
    sub.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the encoder"
    )
    sub.add_argument(
        "--precision",
        choices=("float16", "float32"),
        default="float16",
        help="of the numbers on disk (default: %(default)s)",
    )
    sub.add_argument(
        "--batch-size", type=int, default=256, help="objects at a time; halved if memory runs out"
    )
    sub.add_argument(
        "--dask",
        metavar="ADDRESS",
        default=None,
        help="spread it over a Dask cluster: a scheduler's address, or local for all cores",
    )
    sub.add_argument(
        "--choose", action="store_true", help="tasks, map and neighbours use it from now on"
    )

    sub = job("embeddings", _embeddings, "list a survey's embeddings; choose the one in use")
    sub.add_argument("survey")
    sub.add_argument(
        "--choose",
        metavar="RUN",
        default=None,
        help=f"the run that tasks, map and neighbours use; {NEWEST} goes back to the newest of"
        " the default encoder",
    )


def run_embed(
    workspace: Workspace,
    name: str,
    encoder: str,
    options: Mapping[str, Any] | None = None,
    *,
    precision: str = "float16",
    batch_size: int = 256,
    dask: str | None = None,
    choose: bool = False,
    quiet: bool = False,
) -> Embedding:
    """Embed a survey as a recorded run; `core.representation.embed` says what may be given.

    choose: have the tasks, the map and the neighbours use it.
    """
    from core.representation import choose_embedding, embed, encoder_name
    from core.run_jobs import open_survey, recorded_job

    survey = open_survey(workspace, name)
    resolved = encoder_name(encoder, survey)
    config = {"encoder": resolved, "options": dict(options or {}), "precision": precision}
    with recorded_job(workspace, JobKind.EMBED, name, config, quiet=quiet) as (rid, tell, result):
        embedding = embed(
            survey,
            resolved,
            options=options,
            run_id=rid,
            precision=precision,
            batch_size=batch_size,
            dask=dask,
            progress=tell,
        )
        if choose:
            choose_embedding(survey, embedding.run_id)
        result.update(
            objects=len(survey),
            dimensions=int(embedding.values.shape[1]),
            without_embedding=int((~embedding.mask).sum()),
        )
    return embedding


def key_values(pairs: Sequence[str], option: str) -> dict[str, str]:
    """{key: value} of KEY=VALUE words, else `BadInput`."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise BadInput(f"{option} is KEY=VALUE, but is {pair!r}; correct it.")
        found[key.strip()] = value.strip()
    return found


def _embed(a: argparse.Namespace) -> str:
    from core.representation import finished_embeddings
    from core.run_jobs import open_survey

    options = key_values(a.set, "--set")
    for key in ("weights", "rotations"):
        given = getattr(a, key)
        if given is None:
            continue
        if options.setdefault(key, given) != given:
            raise BadInput(
                f"--{key} {given} and --set {key}={options[key]} differ; leave one of them out."
            )
    workspace = open_workspace(a.workspace, create=False)
    embedding = run_embed(
        workspace,
        a.survey,
        a.encoder,
        options,
        precision=a.precision,
        batch_size=a.batch_size,
        dask=a.dask,
        choose=a.choose,
    )
    records = finished_embeddings(open_survey(workspace, a.survey))
    record = next(one for one in records if one.run_id == embedding.run_id)
    lines = [
        f"{a.survey} is embedded by {record.encoder}: {record.dimensions} numbers an object,"
        f" {record.precision}, {record.seconds:,.0f} s."
    ]
    if record.masked:
        lines.append(f"{record.masked:,} objects have no embedding.")
    lines += [f"Note: {note}." for note in record.notes]
    if record.in_use:
        lines.append(f"Next, open it with `python app.py --workspace {a.workspace}`.")
    else:
        lines.append(
            f"Tasks and map use another embedding; `python -m core.run embeddings {a.survey}"
            f" --choose {record.run_id} --workspace {a.workspace}` changes that."
        )
    return "\n".join(lines)


def _embeddings(a: argparse.Namespace) -> str:
    from core.representation import choose_embedding, finished_embeddings
    from core.run_jobs import open_survey
    from core.survey import damaged_runs

    survey = open_survey(open_workspace(a.workspace, create=False), a.survey)
    if a.choose is not None:
        choose_embedding(survey, None if a.choose == NEWEST else a.choose)
    records = finished_embeddings(survey)
    lines = [f"Note: {sentence}" for sentence in damaged_runs(survey)]
    if not records:
        lines.append(
            f"{survey.name} has no embedding yet; make one with `python -m core.run embed"
            f" {survey.name} --workspace {a.workspace}`."
        )
    for one in records:
        state = "in use, chosen" if one.chosen else "in use" if one.in_use else ""
        words = [
            one.run_id,
            one.encoder,
            f"{one.dimensions} x {one.precision}",
            f"{one.seconds:,.0f} s",
            one.weights,
            f"{one.masked:,} masked" if one.masked else "",
            state,
        ]
        lines.append("  ".join(word for word in words if word))
    return "\n".join(lines)


__all__ = ["add_embed_job", "key_values", "run_embed"]
