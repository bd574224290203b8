"""Network file systems are told from local disks by the mount that holds a path."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from labels_db import network_filesystem

MOUNTS = [
    ("/", "ext4"),
    ("/home", "nfs4"),
    ("/home/ann/local", "xfs"),
    ("/mnt/far", "fuse.sshfs"),
    ("/mnt/disk", "fuse.ext4"),
    ("/mnt/ntfs", "fuseblk"),
    ("/mnt/share", "ext4"),
    ("/mnt/share", "CIFS"),
]


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [SimpleNamespace(mountpoint=place, fstype=kind) for place, kind in MOUNTS]

    def partitions(all: bool = False) -> list[Any]:
        return listed if all else listed[:1]

    monkeypatch.setattr(psutil, "disk_partitions", partitions)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/labels.sqlite", None),
        ("/homework/labels.sqlite", None),
        ("/home/ann/labels.sqlite", "nfs4"),
        ("/home/ann/local/not/yet/there", None),
        ("/mnt/far", "fuse.sshfs"),
        ("/mnt/disk/x", None),
        ("/mnt/ntfs/x", None),
        ("/mnt/share/x", "cifs"),
    ],
)
@pytest.mark.usefixtures("mounts")
def test_the_mount_that_holds_the_path_decides(path: str, kind: str | None) -> None:
    assert network_filesystem(path) == kind


@pytest.mark.usefixtures("mounts")
def test_a_link_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/mnt/far")
    assert network_filesystem(link / "labels.sqlite") == "fuse.sshfs"


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(all: bool = False) -> list[Any]:
        raise PermissionError

    monkeypatch.setattr(psutil, "disk_partitions", refuse)
    assert network_filesystem("/anywhere") is None
