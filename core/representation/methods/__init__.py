"""Ways to train a network without labels: one file each."""

from core.representation.methods import (  # noqa: F401 (registration)
    aae,
    autoencoder,
    byol,
    mae,
    moco,
    simclr,
    vae,
    vicreg,
)
from core.representation.methods.method import METHODS, Loss, Method, method_named
from core.representation.methods.store import load_method, save_method

__all__ = ["METHODS", "Loss", "Method", "load_method", "method_named", "save_method"]
