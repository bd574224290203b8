"""Tables of any kind, read in bounded memory: one file a format, one way to open them."""

from core.survey.tables.opening import TableSource, UnreadableRows, open_table, table_kind

__all__ = ["TableSource", "UnreadableRows", "open_table", "table_kind"]
