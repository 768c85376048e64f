"""Tables: files, typed columns with holes, and densities of them."""

from diffeo import storage
from diffeo.tabular.files import iter_table, open_table, read_table
from diffeo.tabular.reporting import report_content
from diffeo.tabular.surprise import Surprise, surprise
from diffeo.tabular.table import Table
from diffeo.tabular.table_flow import TableFlow
from diffeo.tabular.tuning import Tuned, tune
from diffeo.tabular.typed import TypedColumns
from diffeo.tabular.writing import table_writer

storage.register(TableFlow, TypedColumns)

__all__ = [
    "Surprise",
    "Table",
    "TableFlow",
    "Tuned",
    "TypedColumns",
    "iter_table",
    "open_table",
    "read_table",
    "report_content",
    "surprise",
    "table_writer",
    "tune",
]
