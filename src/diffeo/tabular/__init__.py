"""Tables: files, typed columns with holes, and densities of them."""

from diffeo import storage
from diffeo.tabular.files import iter_table, open_table, read_table
from diffeo.tabular.table import Table
from diffeo.tabular.table_flow import TableFlow
from diffeo.tabular.typed import TypedColumns
from diffeo.tabular.writing import table_writer

storage.register(TableFlow, TypedColumns)

__all__ = [
    "Table",
    "TableFlow",
    "TypedColumns",
    "iter_table",
    "open_table",
    "read_table",
    "table_writer",
]
