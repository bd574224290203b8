"""Readers: files in, batches of objects out. Importing a file here registers its reader."""

from core.survey.readers import folder as folder
from core.survey.readers.registry import READERS, Reader, register_reader

__all__ = ["READERS", "Reader", "register_reader"]
