"""Encoders, their pretraining, and the embeddings they write."""

from core.representation import pca, vicreg  # noqa: F401 (registration)
from core.representation.embedding import Embedding, embed, load_embedding
from core.representation.encoder import DEFAULT_ENCODER, ENCODERS, encoder_name, register_encoder
from core.representation.pretraining import PretrainResult, pretrain

__all__ = [
    "DEFAULT_ENCODER",
    "ENCODERS",
    "Embedding",
    "PretrainResult",
    "embed",
    "encoder_name",
    "load_embedding",
    "pretrain",
    "register_encoder",
]
