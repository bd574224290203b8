"""Every job by its command, and one clear sentence for each way to get it wrong."""

import os

import pytest

from core.errors import InUse
from core.run import main
from core.vocabulary import JobKind
from core.workspace import open_workspace
from labels_db import LabelsDB
from tests.run.conftest import paint


def refused(capsys, *argv):
    """Run a job that must fail; its one sentence."""
    capsys.readouterr()
    assert main(list(argv)) == 2
    out, err = capsys.readouterr()
    sentences = [line for line in err.splitlines() if line.startswith("skysift: ")]
    assert len(sentences) == 1, err
    assert "Traceback" not in out + err
    return sentences[0]


def test_runs_are_in_the_registry_with_their_settings(workspace):
    path, _ = workspace
    with LabelsDB(open_workspace(path).labels) as db:
        runs = {run.kind: run for run in db.runs()}
    assert runs["import"].state == "done"
    assert runs["import"].result is not None
    assert runs["import"].result["objects"] == 40
    assert runs["embed"].config["encoder"] == "structure"


def test_a_failed_job_is_told_in_the_registry(workspace, capsys):
    path, truth = workspace
    sentence = refused(
        capsys, "import", str(truth.parent / "nowhere"), "--name", "other", "--workspace", path
    )
    with LabelsDB(open_workspace(path).labels) as db:
        run = db.runs()[0]
    assert run.state == "failed"
    assert run.error is not None
    assert run.error in sentence


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (["embed", "ghost"], "ghost"),
        (["embed", "spots", "--encoder", "psychic"], "psychic"),
        (["map", "spots", "--encoder", "vicreg"], "embedding"),
        (
            ["task", "t", "--survey", "spots", "--class", "one", "--target", "one"],
            "2 to 9 classes",
        ),
        (
            ["task", "t", "--survey", "spots", "--class", "a", "--class", "b", "--target", "c"],
            "'c'",
        ),
        (
            ["task", "../t", "--survey", "spots", "--class", "a", "--class", "b", "--target", "a"],
            "../t",
        ),
        (["demo", "andromeda"], "andromeda"),
        (["pretrain", "spots", "--minutes", "-1"], "-1"),
        (["worker", "ghost"], "ghost"),
    ],
)
def test_bad_arguments_get_one_sentence(workspace, capsys, argv, wanted):
    path, _ = workspace
    assert wanted in refused(capsys, *argv, "--workspace", path)


def test_a_name_that_is_taken_changes_nothing(workspace, tmp_path, capsys):
    path, _ = workspace
    before = sorted(p.read_bytes() for p in (tmp_path / "ws" / "surveys").rglob("*.parquet"))
    sentence = refused(
        capsys, "import", str(tmp_path / "pictures"), "--name", "spots", "--workspace", path
    )
    assert "spots" in sentence
    after = sorted(p.read_bytes() for p in (tmp_path / "ws" / "surveys").rglob("*.parquet"))
    assert before == after


def test_a_workspace_of_a_newer_version_is_left_alone(workspace, tmp_path, capsys):
    path, _ = workspace
    marker = tmp_path / "ws" / "workspace.toml"
    marker.write_text("format = 99\n")
    assert "newer" in refused(capsys, "embed", "spots", "--workspace", path)
    assert marker.read_text() == "format = 99\n"


def test_a_folder_of_other_things_is_no_workspace(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("x")
    sentence = refused(capsys, "demo", "hubble", "--workspace", str(tmp_path))
    assert "other files" in sentence
    assert sorted(os.listdir(tmp_path)) == ["thesis.tex"]


def test_pretrain_then_embed_with_the_new_weights(tmp_path, capsys):
    paint(tmp_path / "pictures", count=12)
    path = str(tmp_path / "ws")
    assert main(["import", str(tmp_path / "pictures"), "--name", "s", "--workspace", path]) == 0
    out = tmp_path / "weights"
    argv = ["pretrain", "s", "--steps", "2", "--batch-size", "4", "--out", str(out)]
    assert main([*argv, "--workspace", path]) == 0
    assert {p.name for p in out.iterdir()} == {"network.safetensors", "network.json"}
    assert main(["embed", "s", "--weights", str(out), "--workspace", path]) == 0
    with LabelsDB(open_workspace(path).labels) as db:
        assert {run.kind for run in db.runs()} == {"import", "pretrain", "embed"}
    assert "'weights' was given" in refused(
        capsys, "embed", "s", "--encoder", "pca", "--weights", str(out), "--workspace", path
    )


def test_what_would_be_lost_at_the_end_is_refused_at_the_start(workspace, tmp_path, capsys):
    path, _ = workspace
    taken = tmp_path / "taken"
    taken.write_text("x")
    argv = ["pretrain", "spots", "--steps", "1", "--workspace", path]
    assert "taken" in refused(capsys, *argv, "--out", str(taken))
    assert "seed" in refused(capsys, *argv, "--seed", "-3")
    assert taken.read_text() == "x"


def test_a_refused_demo_leaves_nothing_behind(tmp_path, capsys):
    assert "andromeda" in refused(capsys, "demo", "andromeda", "--workspace", str(tmp_path / "ws"))
    assert not (tmp_path / "ws").exists()


def test_a_demo_can_be_embedded_by_the_same_command(tmp_path, capsys, monkeypatch):
    done = []

    class Made:
        name = "hubble"

        def __len__(self):
            return 7

    def run_demo(_workspace, name):
        done.append(name)
        return Made()

    monkeypatch.setattr("core.run_jobs.run_demo", run_demo)
    monkeypatch.setattr("core.run_embed.run_embed", lambda _w, *more: done.append(more))
    assert main(["demo", "hubble", "--embed", "--workspace", str(tmp_path / "ws")]) == 0
    assert done == ["hubble", ("hubble", "default")]
    assert "7 objects, embedded; open it" in capsys.readouterr().out


def test_a_worker_without_an_embedding_says_so(tmp_path, capsys):
    paint(tmp_path / "pictures", count=6)
    path = str(tmp_path / "ws")
    assert main(["import", str(tmp_path / "pictures"), "--name", "s", "--workspace", path]) == 0
    argv = ["task", "t", "--survey", "s", "--class", "a", "--class", "b", "--target", "a"]
    assert main([*argv, "--workspace", path]) == 0
    assert "no fusion embedding yet" in refused(
        capsys, "worker", "t", "--once", "--workspace", path
    )


def test_an_unforeseen_error_is_a_sentence_and_its_traceback_a_log(workspace, capsys, monkeypatch):
    path, _ = workspace

    def breaks(*_args, **_kwargs):
        raise RuntimeError("cosmic ray")

    monkeypatch.setattr("core.run_map.run_map", breaks)
    capsys.readouterr()
    assert main(["map", "spots", "--workspace", path]) == 1
    err = capsys.readouterr().err
    assert "cosmic ray" in err
    assert "Traceback" not in err
    log = open_workspace(path).logs / "errors.log"
    assert "Traceback" in log.read_text()
    assert str(log) in err


def test_a_job_that_runs_already_has_its_article(tmp_path):
    workspace = open_workspace(tmp_path)
    words = {}
    with LabelsDB(workspace.labels) as db:
        for kind in JobKind:
            db.start_run(f"{kind}-1", kind, "s", {})
            with pytest.raises(InUse) as refused:
                db.start_run(f"{kind}-2", kind, "s", {})
            words[kind] = str(refused.value).split(" is running")[0]
    assert [kind for kind in JobKind if words[kind] == f"An {kind} job"] == ["import", "embed"]
    assert sum(words[kind] == f"A {kind} job" for kind in JobKind) == len(JobKind) - 2
