"""Readers: files in, batches of objects out. Importing a file here registers its reader."""

from core.survey.readers import archive as archive
from core.survey.readers import folder as folder
from core.survey.readers import frames as frames
from core.survey.readers import hdf5 as hdf5
from core.survey.readers import hugging_face as hugging_face
from core.survey.readers import mosaic as mosaic
from core.survey.readers import numpy_array as numpy_array
from core.survey.readers import parquet_images as parquet_images
from core.survey.readers import sky as sky
from core.survey.readers import spectra as spectra
from core.survey.readers import table as table
from core.survey.readers import zarr_array as zarr_array
from core.survey.readers.registry import (
    READERS,
    Reader,
    Unit,
    make_reader,
    recognised,
    register_reader,
)

__all__ = ["READERS", "Reader", "Unit", "make_reader", "recognised", "register_reader"]
