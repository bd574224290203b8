"""Encoders, their pretraining, and the embeddings they write."""

from core.representation.embedding import (
    Embedding,
    EmbeddingRecord,
    choose_embedding,
    chosen_embedding,
    embed,
    finished_embeddings,
    load_embedding,
)
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
    adapters,
    columns,
    external,
    fusion,
    ica,
    imagenet,
    morphology,
    network,
    nmf,
    pca,
    peaks,
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
    "EmbeddingRecord",
    "Method",
    "PretrainResult",
    "choose_embedding",
    "chosen_embedding",
    "default_encoder",
    "embed",
    "encoder_name",
    "finished_embeddings",
    "load_embedding",
    "make_encoder",
    "pretrain",
    "reads",
    "register_encoder",
]
