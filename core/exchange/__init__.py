"""Label tables in and out: CSV, Parquet, VOTable, FITS, JSON Lines; Label Studio, Zooniverse."""

from core.exchange.batches import rows_to_batches
from core.exchange.columns import EVENT_SCHEMA, LABEL_SCHEMA, MEDIA_TYPES, SUFFIXES, Format
from core.exchange.incoming import IncomingRow, LabelFile
from core.exchange.reading import read_labels
from core.exchange.writing import csv_with_provenance_zip, sidecar_of, write_table

__all__ = [
    "EVENT_SCHEMA",
    "LABEL_SCHEMA",
    "MEDIA_TYPES",
    "SUFFIXES",
    "Format",
    "IncomingRow",
    "LabelFile",
    "csv_with_provenance_zip",
    "read_labels",
    "rows_to_batches",
    "sidecar_of",
    "write_table",
]
