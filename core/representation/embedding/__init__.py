"""Embedding a survey, finding its embeddings again, and which one is used."""

from core.representation.embedding.choice import choose_embedding, chosen_embedding
from core.representation.embedding.job import BATCH, FLOAT16, FLOAT32, PRECISIONS, embed
from core.representation.embedding.records import (
    Embedding,
    EmbeddingRecord,
    finished_embeddings,
    load_embedding,
    opened_embedding,
)

__all__ = [
    "BATCH",
    "FLOAT16",
    "FLOAT32",
    "PRECISIONS",
    "Embedding",
    "EmbeddingRecord",
    "choose_embedding",
    "chosen_embedding",
    "embed",
    "finished_embeddings",
    "load_embedding",
    "opened_embedding",
]
