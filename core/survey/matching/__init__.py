"""What belongs together: catalogues and objects, the known, duplicates."""
