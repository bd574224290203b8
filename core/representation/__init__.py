"""Encoders, their pretraining, and the embeddings they write."""

from core.representation.embedding import Embedding, embed, load_embedding
from core.representation.encoder import (
    DEFAULT_ENCODER,
    ENCODERS,
    default_encoder,
    encoder_name,
    make_encoder,
    reads,
    register_encoder,
)
from core.representation.encoders import (  # noqa: F401 (registration)
    columns,
    fusion,
    network,
    pca,
    spectrum_pca,
    structure,
)
from core.representation.methods import METHODS, Method  # first: an encoder for each
from core.representation.training.loop import PretrainResult, pretrain

__all__ = [
    "DEFAULT_ENCODER",
    "ENCODERS",
    "METHODS",
    "Embedding",
    "Method",
    "PretrainResult",
    "default_encoder",
    "embed",
    "encoder_name",
    "load_embedding",
    "make_encoder",
    "pretrain",
    "reads",
    "register_encoder",
]
