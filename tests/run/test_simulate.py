"""The job `simulate`: what it writes and prints, and a sentence for each way to get it wrong."""

import csv
import json
import re

import pytest

from core.run import main
from core.workspace import open_workspace
from labels_db import LabelsDB
from tests.run.test_command_line import refused


def command(workspace, *more):
    path, truth = workspace
    argv = ["simulate", "spots", "--workspace", path, "--truth", str(truth), "--target", "double"]
    return [*argv, "--encoder", "structure", "--learner", "logistic", "--batch", "5", *more]


def test_simulate_writes_what_was_found_and_repeats(workspace, tmp_path, capsys):
    out = tmp_path / "found.json"
    argv = command(workspace, "--budget", "20", "--seed", "3", "--seeds", "2", "--examples", "2")
    assert main([*argv, "--error-rate", "0.1", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    found = json.loads(out.read_text())
    assert [run["seed"] for run in found["runs"]] == [3, 4]
    assert found["n_targets"] == 6  # of 8, two are known
    assert found["n_objects"] == 38
    assert found["examples"] == 2
    assert found["notes"] == []
    for run in found["runs"]:
        assert run["labels"] == [5, 10, 15, 20]
        assert run["finds"] == sorted(run["finds"])
        assert run["ideal"] == [5, 6, 6, 6]
        assert run["chance"] == pytest.approx([n * 6 / 38 for n in run["labels"]])
        assert len(run["order"]) == len({step["object_id"] for step in run["order"]}) == 20
        assert run["finds"][-1] == sum(step["is_target"] for step in run["order"])
        wrong = [s for s in run["order"] if (s["answer"] == "double") != s["is_target"]]
        assert run["n_wrong"] == len(wrong)
        assert not set(run["examples"]) & {step["object_id"] for step in run["order"]}
        assert run["states"][0].startswith("Only 'double' seen yet, with 2 unanswered")
    assert found["runs"][0]["examples"] != found["runs"][1]["examples"]
    assert "Area of the finds curve: " in printed
    assert "2 targets were known from the start" in printed
    assert "answers" in printed
    assert "chance" in printed
    assert "ideal" in printed
    assert main([*argv, "--error-rate", "0.1", "--out", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == found["runs"]


def test_simulate_writes_a_table_and_the_registry_keeps_the_settings(workspace, tmp_path, capsys):
    out = tmp_path / "found.csv"
    assert main(command(workspace, "--budget", "10", "--out", str(out))) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["labels"] for row in rows] == ["5", "10"]
    assert {row["seed"] for row in rows} == {"0"}
    assert float(rows[1]["chance"]) == pytest.approx(2)
    assert "seed 0" in capsys.readouterr().out
    with LabelsDB(open_workspace(workspace[0]).labels) as db:
        run = next(run for run in db.runs() if run.kind == "simulate")
    assert run.config["learner"] == "logistic"
    assert run.config["examples"] == 0
    assert run.result is not None
    assert run.result["finds"] == [int(rows[1]["finds"])]


def test_what_does_not_fit_is_told_beside_the_result(workspace, tmp_path, capsys):
    path, truth = workspace
    lines = truth.read_text().splitlines()
    short = tmp_path / "short.csv"
    short.write_text("\n".join([*lines[:21], "gone-1,single", "gone-2,double"]) + "\n")
    argv = command((path, short), "--budget", "500", "--batch", "400")
    assert main(argv) == 0
    printed = capsys.readouterr().out
    assert "4 of 4 double found with 20 answers among 20 objects" in printed
    assert "2 labelled objects in it are not in the survey spots" in printed
    assert "20 objects have no truth" in printed
    assert "A budget of 500 answers is beyond the 20 objects" in printed


BAD_ARGUMENTS = [
    (["--budget", "0"], "--budget is at least 1, but is 0"),
    (["--batch", "0"], "--batch is 1 to 10,000, but is 0"),
    (["--batch", "20000"], "--batch is 1 to 10,000, but is 20000"),
    (["--seeds", "0"], "--seeds is 1 to 1,000"),
    (["--examples", "-1"], "--examples is 0 or more"),
    (["--examples", "8"], "0 to 7 of them may be known from the start, but 8"),
    (["--error-rate", "1"], "--error-rate is at least 0 and below 1"),
    (["--seed", "-3"], "seed must be zero or more"),
    (["--sampler", "psychic"], "The sampler must be one of"),
    (["--learner", "psychic"], "The learner must be one of"),
    (["--encoder", "psychic"], "psychic"),
    (["--target", "unicorn"], "holds only double, single"),
    (["--control-share", "1"], "control_share"),
    (["--truth", "/nowhere/gone.csv"], "no truth file"),
    (["--out", "."], "--out names a .json or .csv file"),
    (["--out", "/nowhere/a.json"], "--out names a .json or .csv file"),
    (["--out", "found.txt"], "--out names a .json or .csv file"),
]

TOLD_FIRST = [
    (["--sampler", "psychic"], "The sampler must be one of"),
    (["--learner", "psychic"], "The learner must be one of"),
    (["--out", "{folder}/loop.json"], "cannot be used here"),
    (["--out", f"{{folder}}/{'a' * 300}.json"], "cannot be used here"),
]

BAD_TRUTHS = [
    (lambda text: text.replace("single", "double"), "All 40 labels in .* are 'double'"),
    (lambda text: text + "obj-001,double\n", "calls 'obj-001' both 'single' and 'double'"),
    (lambda text: text.replace("obj-", "lost-"), "None of the 40 labelled objects"),
    (lambda text: text.replace("double", ""), "holds only single"),
]


def test_each_bad_simulation_gets_one_sentence(workspace, tmp_path, capsys, monkeypatch):
    for more, words in BAD_ARGUMENTS:
        sentence = refused(capsys, *command(workspace, *more))
        assert words in sentence, sentence
    path, truth = workspace
    other = tmp_path / "other.csv"
    for change, words in BAD_TRUTHS:
        other.write_text(change(truth.read_text()))
        sentence = refused(capsys, *command((path, other)))
        assert re.search(words, sentence), sentence

    def embed(*_args, **_settings):
        raise AssertionError("embedded all the same")

    monkeypatch.setattr("core.run_simulate._embedding", embed)
    loop, old = tmp_path / "loop.json", tmp_path / "old.json"
    loop.symlink_to(loop)
    old.write_text("kept")
    before = set(tmp_path.iterdir())
    for name in ("old", "new"):
        for more, words in TOLD_FIRST:
            given = [one.format(folder=tmp_path) for one in more]
            argv = command(workspace, "--out", str(tmp_path / f"{name}.json"), *given)
            sentence = refused(capsys, *argv)
            assert words in sentence, sentence
    assert old.read_text() == "kept"
    assert set(tmp_path.iterdir()) == before
