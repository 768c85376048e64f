"""Tables of numbers in files: CSV, Parquet, .npy and .npz, read and written in chunks."""

from diffeo.tabular.files import iter_table, open_table, read_table
from diffeo.tabular.table import Table
from diffeo.tabular.writing import table_writer

__all__ = ["Table", "iter_table", "open_table", "read_table", "table_writer"]
