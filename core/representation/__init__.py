"""Encoders, their pretraining, and the embeddings they write."""

from core.representation import fusion, pca, structure, vicreg  # noqa: F401 (registration)
from core.representation.embedding import WITH_NETWORK, Embedding, embed, load_embedding
from core.representation.encoder import DEFAULT_ENCODER, ENCODERS, encoder_name, register_encoder
from core.representation.pretraining import PretrainResult, pretrain

__all__ = [
    "DEFAULT_ENCODER",
    "ENCODERS",
    "WITH_NETWORK",
    "Embedding",
    "PretrainResult",
    "embed",
    "encoder_name",
    "load_embedding",
    "pretrain",
    "register_encoder",
]
