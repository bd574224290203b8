"""Words, settings and the workspace: what is accepted, and the sentence for what is not."""

import errno
import os
import subprocess
import sys
import textwrap

import pytest

from core.config import LoopConfig, PretrainConfig
from core.errors import BadInput, Damaged, InUse, StorageFull, TooNew
from core.vocabulary import checked_classes, checked_name, checked_object_id
from core.workspace import hold_workspace, open_workspace, storage_errors


@pytest.mark.parametrize("name", ["hubble", "a", "SDSS_dr17-v2.1", "0x"])
def test_names_that_serve(name):
    assert checked_name(name, "survey") == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "-a", "a b", "é", "x" * 65, "a.partial"]
)
def test_names_that_do_not(name):
    with pytest.raises(BadInput, match="The survey name may have"):
        checked_name(name, "survey")


@pytest.mark.parametrize("object_id", ["J1234+5678", "a b'c\"d;--", "<b>x</b>", "星系", "x" * 512])
def test_object_ids_may_be_what_catalogues_have(object_id):
    assert checked_object_id(object_id) == object_id


@pytest.mark.parametrize("object_id", ["", "x" * 513, "a\nb", "a\x00b"])
def test_object_ids_that_would_break_a_table(object_id):
    with pytest.raises(BadInput, match="object_id"):
        checked_object_id(object_id)


@pytest.mark.parametrize(
    ("classes", "target", "wanted"),
    [
        (["one"], "one", "2 to 9 classes"),
        ([], "x", "2 to 9 classes"),
        ([str(i) for i in range(10)], "0", "2 to 9 classes"),
        (["a", "A"], "a", "must differ"),
        (["a", " "], "a", "1 to 64 printable"),
        (["a", "b"], "c", "target must be one of"),
    ],
)
def test_classes_of_a_task(classes, target, wanted):
    with pytest.raises(BadInput, match=wanted):
        checked_classes(classes, target)
    assert checked_classes([" a ", "b"], "a") == ("a", "b")


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"control_share": 1.0}, "control_share"),
        ({"retrain_every": 0}, "retrain_every"),
        ({"queue_length": 0}, "queue_length"),
        ({"seed": -1}, "seed"),
    ],
)
def test_settings_out_of_range(settings, wanted):
    with pytest.raises(BadInput, match=wanted):
        LoopConfig(**settings)
    with pytest.raises(BadInput, match="batch_size"):
        PretrainConfig(batch_size=1)


def test_a_workspace_is_made_once_and_opened_again(tmp_path):
    workspace = open_workspace(tmp_path / "a" / "ws")
    assert workspace.marker.read_text() == "format = 1\n"
    assert open_workspace(tmp_path / "a" / "ws") == workspace
    assert sorted(os.listdir(workspace.root)) == ["workspace.toml"]


def test_what_cannot_be_a_workspace(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="is a file"):
        open_workspace(tmp_path / "file")
    with pytest.raises(BadInput, match="no Skysift workspace"):
        open_workspace(tmp_path / "absent", create=False)
    assert not (tmp_path / "absent").exists()
    with pytest.raises(BadInput, match="holds other files"):
        open_workspace(tmp_path)
    assert os.listdir(tmp_path) == ["file"]


def test_a_newer_or_broken_marker_is_left_as_it_is(tmp_path):
    workspace = open_workspace(tmp_path / "ws")
    for text, error in (("format = 2\n", TooNew), ("format = [\n", Damaged), ("", Damaged)):
        workspace.marker.write_text(text)
        with pytest.raises(error):
            open_workspace(workspace.root)
        assert workspace.marker.read_text() == text


def test_a_full_disk_is_told_in_a_sentence(tmp_path):
    with pytest.raises(StorageFull, match="is full"), storage_errors(tmp_path / "x" / "y"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(StorageFull, match="4 GB on FAT32"), storage_errors(tmp_path):
        raise OSError(errno.EFBIG, "File too large")
    with pytest.raises(OSError, match="other"), storage_errors(tmp_path):
        raise OSError(errno.EIO, "other")


def test_the_lock_goes_with_its_process_even_by_kill(tmp_path):
    workspace = open_workspace(tmp_path / "ws")
    code = textwrap.dedent(f"""
        import time
        from core.workspace import hold_workspace, open_workspace
        with hold_workspace(open_workspace({str(workspace.root)!r}), "the first server"):
            print("held", flush=True)
            time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with (
            pytest.raises(InUse, match="already open in the first server"),
            hold_workspace(workspace, "the second"),
        ):
            pass
        process.kill()
    with hold_workspace(workspace, "the third"):
        pass
