"""Surveys that Skysift makes itself, to try it out and to measure it by."""

from core.errors import BadInput
from core.progress import Progress, silent
from core.survey.demos.hubble import build_hubble
from core.survey.demos.simulated import DEMO_SEED, build_simulated, simulate_cutouts
from core.survey.store import Survey
from core.workspace import Workspace

__all__ = ["DEMOS", "DEMO_SEED", "build_demo", "simulate_cutouts"]

DEMOS: dict[str, str] = {
    "hubble": "About 1,000 galaxies cut out of the Hubble eXtreme Deep Field picture.",
    "simulated": "4,000 SDSS-like cutouts with 60 dual nuclei among them, and their truth.",
}
"""The demos and what they are, in a line each."""


def build_demo(
    workspace: Workspace, demo: str, *, progress: Progress = silent, seed: int = DEMO_SEED
) -> Survey:
    """Make a demo survey under its own name; `seed` changes the simulated one only.

    Raises
    ------
    BadInput
        There is no such demo.
    AlreadyExists
        The workspace has a survey of that name.
    """
    if demo not in DEMOS:
        raise BadInput(f"The demos are {' and '.join(DEMOS)}, but got {demo!r}; name one of them.")
    if demo == "hubble":
        return build_hubble(workspace, progress=progress)
    return build_simulated(workspace, progress=progress, seed=seed)
