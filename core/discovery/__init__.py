"""Discovery: what to show next, learnt from the answers so far."""

from core.discovery import detectors, learners, samplers
from core.discovery.control import control_order
from core.discovery.engine import Engine
from core.discovery.learner import Learner
from core.discovery.oracle import Oracle, Truth, read_truth
from core.discovery.pool import Draw, Pool, top_draw
from core.discovery.ranking import Pick, Ranking
from core.discovery.registry import (
    DETECTORS,
    LEARNERS,
    SAMPLERS,
    Need,
    load_all,
    register_detector,
    register_learner,
    register_sampler,
)
from core.discovery.saying import sampler_words
from core.discovery.schedule import sampler_names
from core.discovery.simulate import SimulationResult, run_loop, simulate

for _package in (detectors, samplers, learners):
    load_all(_package)

__all__ = [
    "DETECTORS",
    "LEARNERS",
    "SAMPLERS",
    "Draw",
    "Engine",
    "Learner",
    "Need",
    "Oracle",
    "Pick",
    "Pool",
    "Ranking",
    "SimulationResult",
    "Truth",
    "control_order",
    "read_truth",
    "register_detector",
    "register_learner",
    "register_sampler",
    "run_loop",
    "sampler_names",
    "sampler_words",
    "simulate",
    "top_draw",
]
