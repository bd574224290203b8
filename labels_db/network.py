"""Whether a path lies on a network file system, where SQLite's WAL is not safe.

WAL keeps its index in memory shared by the processes of one machine, so two machines on one
network file would each have their own: https://www.sqlite.org/wal.html, "Disadvantages".
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

# fmt: off
NETWORK_FILESYSTEMS = frozenset([
    "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs",
    "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3",
    "smbfs", "webdav", "wekafs",
])
NETWORK_FUSE = frozenset([
    "ceph", "ceph-fuse", "curlftpfs", "davfs", "davfs2", "gcsfuse", "glusterfs", "goofys",
    "gvfsd-fuse", "juicefs", "rclone", "s3fs", "smbnetfs", "sshfs",
])
# fmt: on


def network_filesystem(path: str | os.PathLike[str]) -> str | None:
    """Return the type of network file system that holds `path`, or None for a local disk.

    `path` need not exist yet. A system that does not tell its mounts gives None.
    """
    place = Path(path).expanduser().resolve()
    try:
        # all=True: without it Linux leaves out nfs and cifs, which have no device of their own.
        mounts = psutil.disk_partitions(all=True)
    except (OSError, psutil.Error):
        return None
    above = [mount for mount in mounts if place.is_relative_to(mount.mountpoint)]
    if not above:
        return None
    longest = max(len(Path(mount.mountpoint).parts) for mount in above)
    # Of several mounts on one folder the last covers the others.
    kind = next(
        mount.fstype.lower()
        for mount in reversed(above)
        if len(Path(mount.mountpoint).parts) == longest
    )
    family, _, fuse_kind = kind.partition(".")
    is_network = kind in NETWORK_FILESYSTEMS or (family == "fuse" and fuse_kind in NETWORK_FUSE)
    return kind if is_network else None
