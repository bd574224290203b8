"""What the jobs understand on the command line, where it is long; imports nothing heavy."""

from __future__ import annotations

import argparse


def add_import_arguments(sub: argparse.ArgumentParser) -> None:
    """What `core.run import` understands; the Data page builds the same."""
    sub.add_argument("source", help="file or folder: pictures, FITS, archives, HDF5, tables ...")
    sub.add_argument("--name", required=True, help="of the survey")
    sub.add_argument("--reader", default=None, help="kind of data, if it is not found out")
    sub.add_argument("--size-px", type=int, default=None, help="side of the cutouts kept")
    sub.add_argument("--bands", default="", help="names, in order, with commas between")
    sub.add_argument("--pixel-scale", type=float, default=None, help="arcsec a pixel")
    sub.add_argument(
        "--mixed",
        default="auto",
        metavar="auto|resample|crop|reject",
        help="images of another size",
    )
    sub.add_argument("--id-column", default=None)
    sub.add_argument("--group-column", default=None)
    sub.add_argument("--ra-column", default=None)
    sub.add_argument("--dec-column", default=None)
    sub.add_argument("--missing", default="", help="codes for 'not measured', such as -10,-999")
    sub.add_argument("--catalogue", default=None, help="table to join, or to cut out by")
    sub.add_argument("--join", default="id", metavar="id|sky", help="how it is joined")
    sub.add_argument("--radius", type=float, default=1.0, help="arcsec, for --join sky")
    sub.add_argument("--spectra", default=None, help="spectra to join to the objects")
    sub.add_argument("--wavelength", default="", metavar="MIN:MAX[:LOG10_STEP]")
    sub.add_argument("--origin", default=None)
    sub.add_argument("--licence", default=None)
    sub.add_argument(
        "--set",
        dest="more",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the reader",
    )
    sub.add_argument("--workers", type=int, default=None, help="processes that read")
    sub.add_argument("--scheduler", default=None, help="address of a Dask scheduler instead")
    sub.add_argument("--append", action="store_true", help="add to a survey: its next version")
    sub.add_argument("--restart", action="store_true", help="forget a stopped import")
    sub.add_argument("--preview", action="store_true", help="say what it would make, and stop")
