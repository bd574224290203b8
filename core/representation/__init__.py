"""Encoders, their pretraining, and the embeddings they write."""

from core.representation import (  # noqa: F401 (registration)
    columns,
    fusion,
    pca,
    spectrum_pca,
    structure,
    vicreg,
)
from core.representation.embedding import WITH_NETWORK, Embedding, embed, load_embedding
from core.representation.encoder import (
    DEFAULT_ENCODER,
    ENCODERS,
    default_encoder,
    encoder_name,
    reads,
    register_encoder,
)
from core.representation.pretraining import PretrainResult, pretrain

__all__ = [
    "DEFAULT_ENCODER",
    "ENCODERS",
    "WITH_NETWORK",
    "Embedding",
    "PretrainResult",
    "default_encoder",
    "embed",
    "encoder_name",
    "load_embedding",
    "pretrain",
    "reads",
    "register_encoder",
]
