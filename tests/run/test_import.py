"""`import` on the command line: what it says, how it is stopped, and what is known of it then."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from core.run import main
from core.run_import import preview_words
from core.survey import Survey
from core.survey.batch import Batch, Reject
from core.survey.job import import_record
from core.survey.layout import Layout
from core.survey.previewing import Preview
from core.workspace import open_workspace
from labels_db import LabelsDB
from tests.run.conftest import paint

ROOT = Path(__file__).resolve().parents[2]
STOPPED = "The import of s stopped at "
GOES_ON = "; the same `import` command goes on, `discard s` forgets it."


@pytest.fixture
def run(tmp_path, capsys):
    """Runs a job in a workspace: (its exit status, standard output, standard error)."""

    def of(*argv):
        capsys.readouterr()
        code = main([*map(str, argv), "--workspace", str(tmp_path / "ws")])
        return code, *capsys.readouterr()

    return of


@pytest.fixture
def pictures(tmp_path):
    paint(tmp_path / "pictures", count=12)
    return tmp_path / "pictures"


@pytest.fixture
def stopped(run, pictures, monkeypatch):
    """Stops an import of the pictures as s: what came of it."""
    from core.run_jobs import Terminal

    def stop(_terminal, _fraction, message):
        if message.startswith("Read"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Terminal, "__call__", stop)
        return run("import", pictures, "--name", "s")


def test_notes_are_told_once_and_one_is_one(run, tmp_path):
    paint(tmp_path / "one", count=1)
    (tmp_path / "one" / "thesis.tex").write_text("x")
    code, out, err = run("import", tmp_path / "one", "--name", "s")
    assert code == 0
    assert out.startswith("s: 1 object, version 1. ")
    (note,) = Survey.open(open_workspace(tmp_path / "ws"), "s").manifest.notes
    assert (out + err).count(note) == 1
    assert "import s 100%  done" in err
    with LabelsDB(open_workspace(tmp_path / "ws").labels) as db:
        message = db.runs()[0].message
    assert message is not None
    assert note in message


def test_ctrl_c_says_that_the_same_command_goes_on(stopped, run, pictures):
    code, _out, err = stopped
    assert code == 130
    assert err == (
        "skysift: stopped; what was read is kept, and the same command goes on where it was.\n"
    )
    code, out, err = run("import", pictures, "--name", "s")
    assert code == 0
    assert "an import of s stopped at " in err
    assert out.startswith("s: 12 objects, ")


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(
    "argv",
    [
        ["describe", "s"],
        ["embed", "s"],
        ["map", "s"],
        ["pretrain", "s"],
        ["task", "t", "--survey", "s", "--class", "a", "--class", "b", "--target", "a"],
    ],
)
def test_a_stopped_import_is_told_to_who_asks_for_the_survey(run, argv):
    code, _out, err = run(*argv)
    assert code == 2
    assert re.search(rf"{STOPPED}\d+ of 12 entries{GOES_ON}", err), err
    assert run("discard", "s")[0] == 0
    assert "There is no survey 's'" in run(*argv)[2]


def test_an_addition_that_was_stopped_is_told_with_the_survey(run, pictures, tmp_path):
    assert run("import", pictures, "--name", "s")[0] == 0
    assert "stopped" not in run("describe", "s")[1]
    paint(tmp_path / "more" / "p", count=13)
    (tmp_path / "more" / "p" / "obj-012.png").rename(tmp_path / "more" / "p" / "new.png")
    from core.run_jobs import Terminal

    def stop(_terminal, _fraction, message):
        if message.startswith("Read"):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Terminal, "__call__", stop)
        assert run("import", tmp_path / "more" / "p", "--name", "s", "--append")[0] == 130
    code, out, _err = run("describe", "s")
    assert code == 0
    assert out.startswith("s, version 1\n")
    assert re.search(rf"\n\n{STOPPED}\d+ of 13 entries{GOES_ON}\n$", out)


def test_a_preview_says_what_stands_in_the_way_of_the_name(run, pictures, stopped):
    preview = ["import", pictures, "--preview", "--name"]
    assert stopped[0] == 130
    assert re.search(rf"{STOPPED}\d+ of 12 entries{GOES_ON}\n$", run(*preview, "s")[1])
    assert run("import", pictures, "--name", "s")[0] == 0
    code, out, _err = run(*preview, "s")
    assert code == 0
    assert out.startswith("Reader folder ")
    assert "The name s is taken" in out
    assert "taken" not in run(*preview, "s", "--append")[1]
    assert "There is no survey other to add to (there: s)" in run(*preview, "other", "--append")[1]
    assert "taken" not in run(*preview, "other")[1]


def test_a_preview_in_words():
    ids = ["a" * 60, "b\x1b[2J", *(f"o{number}" for number in range(10))]
    rejects = [Reject("f.png", "is cut short"), Reject("f.tar", "is damaged", "m.png")]
    found = Preview(
        reader="folder",
        description="pictures",
        layout=Layout(bands=("g",), cutout_size_px=8, dtype="float32", origin="", licence=""),
        settings={"looked_at": 3, "group_column": None, "files": [], "made_up_name": ["x", "y"]},
        notes=["A note."],
        n_entries=1,
        batch=Batch(ids, None, [{"z": 1.0}] * 12, rejects=rejects * 4),
    )
    assert preview_words(found).splitlines() == [
        "Reader folder (pictures): 1 entry.",
        "Each object has 8 x 8 pixels of float32 in g.",
        "made up name: x, y",
        "A note.",
        f"The first objects: {'a' * 37}..., b\N{REPLACEMENT CHARACTER}[2J, o0, o1, o2, o3.",
        "Columns: z.",
        *["Reject: f.png is cut short", "Reject: f.tar m.png is damaged"] * 2,
        "Reject: f.png is cut short",
        "and 3 more rejects",
    ]


@pytest.mark.parametrize("argv", [["--missing", "-10,-999"], ["--missing=-10,-999"]])
def test_negative_codes_may_stand_after_a_blank(run, tmp_path, argv):
    (tmp_path / "t.csv").write_text("id,x\na,1.5\nb,-10\nc,-999\nd,-5\n")
    assert run("import", tmp_path / "t.csv", "--name", "s", *argv)[0] == 0
    survey = Survey.open(open_workspace(tmp_path / "ws"), "s")
    assert import_record(survey)["options"]["missing"] == [-10, -999]
    assert np.isnan(survey.catalogue["x"]).tolist() == [False, True, True, False]


def test_an_option_after_missing_is_no_code(run, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("id,x\na,1.5\n")
    with pytest.raises(SystemExit):
        run("import", tmp_path / "t.csv", "--name", "s", "--missing", "--append")
    assert "--missing" in capsys.readouterr().err


@pytest.mark.parametrize("job", ["import", "discard", "describe", "query"])
def test_help_has_words_for_everything(capsys, job):
    with pytest.raises(SystemExit):
        main([job, "--help"])
    lines = capsys.readouterr().out.split("positional arguments:")[1].splitlines()
    for place, line in enumerate(lines):
        if re.match(r"  \S", line):
            words = re.match(r"  \S+(, --help| [A-Za-z_|:\[\]=0-9]+)?  +\S", line)
            assert words or lines[place + 1].startswith(" " * 20), line


def begin(tmp_path, *more):
    """An import of many large pictures in a process of its own, as soon as it has its plan."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    folder.mkdir()
    noise = rng.integers(0, 255, (1024, 1024, 3), np.uint8)
    Image.fromarray(noise).save(folder / "0.png", compress_level=1)
    for number in range(1, 500):
        os.link(folder / "0.png", folder / f"{number}.png")
    argv = [sys.executable, "-m", "core.run", "import", str(folder), "--name", "s"]
    argv += ["--size-px", "32", "--workspace", str(tmp_path / "ws"), *more]
    process = subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    journal = tmp_path / "ws" / "surveys" / "s" / "versions" / "1.partial" / "journal.json"
    wait_for(lambda: journal.exists() or process.poll() is not None)
    return process


def wait_for(what, seconds=60.0):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_sigterm_ends_an_import_as_ctrl_c_does(tmp_path):
    process = begin(tmp_path, "--workers", "0")
    process.send_signal(signal.SIGTERM)
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert err.splitlines()[-1] == (
        "skysift: stopped; what was read is kept, and the same command goes on where it was."
    )
    with LabelsDB(open_workspace(tmp_path / "ws").labels) as db:
        assert db.runs()[0].state == "cancelled"


def test_an_import_killed_with_its_workers_leaves_no_process_behind(tmp_path):
    process = begin(tmp_path, "--workers", "2")
    born: set[psutil.Process] = set()

    def reading():
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(process.pid).children(recursive=True)
            born.update(children)
            # The server that forks and the tracker of resources, then those who read.
            return len(children) >= 4
        return process.poll() is not None

    wait_for(reading)
    process.kill()
    assert process.wait(timeout=5) == -signal.SIGKILL
    assert len(born) >= 4
    _gone, alive = psutil.wait_procs(list(born), timeout=5)
    left = [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
    for one in left:
        one.kill()
    process.communicate()
    assert not left
