"""The columns of a file that a fit is about, and the model for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from diffeo.cli.tables.choosing import AUTO, CONDITIONAL, CONTINUOUS, TABLE, Choice, choose
from diffeo.cli.tables.plan_options import not_of_plan
from diffeo.cli.tables.rows import located
from diffeo.errors import ContextError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from diffeo.cli.fit_options import Options
    from diffeo.tabular import Table

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """Columns of a table to fit.

    Attributes:
        table: the file.
        features: columns to model.
        context: columns that the density is conditional on.
    """

    table: Table
    features: list[str]
    context: list[str]

    @classmethod
    def of(cls, table: Table, columns: list[str] | None, context: list[str] | None) -> Source:
        """The columns to fit; context is what the flag says, or else the file.

        Raises:
            DataError: columns that are missing or both, or none left.
        """
        context = table.context_columns if context is None else context
        if columns is None:
            columns = [name for name in table.columns if name not in context]
        both = [name for name in columns if name in context]
        if both:
            raise DataError(
                f"{', '.join(both)} cannot be both a column of the model and its context"
            )
        if not columns:
            raise DataError("all columns are context; leave at least one to model")
        table.positions(columns + context)
        _warn_of_names(table)
        return cls(table, columns, context)

    def frame(self) -> pd.DataFrame:
        """The features, as they are.

        Raises:
            DataError: a file that is no table of mixed columns.
        """
        from diffeo.tabular.columns import to_frame

        try:
            return to_frame(self.table.path)[self.features]
        except DataError as error:
            raise located(self.table, error) from error

    def choose(self, name: str, options: Options) -> Choice:
        """The model of this name, or the one that suits the columns.

        Raises:
            ContextError: context for a model without.
            DataError: types of columns for a model of numbers alone.
        """
        schema = options.schema
        if name in (TABLE, CONTINUOUS) or (name == AUTO and schema):
            self._refuse_context(CONTINUOUS if name == CONTINUOUS else TABLE)
        if name == AUTO:
            if self.context:
                return Choice(CONDITIONAL, "the density is conditional on other columns")
            if "supports" in options.model:
                return Choice(CONDITIONAL, "there is an option 'supports'")
            frame = self.frame()
            try:
                choice = choose(frame, schema)
            except DataError as error:
                raise located(self.table, error) from error
            foreign = not_of_plan(options) if choice.name == CONTINUOUS else []
            if not foreign:
                return choice
            return Choice(CONDITIONAL, f"{choice.reason}, and there is an option {foreign[0]!r}")
        if name != TABLE and schema:
            raise DataError(
                f"the types of a schema are for the model 'table'; {name} takes all columns as "
                f"continuous numbers"
            )
        return Choice(name)

    def _refuse_context(self, name: str) -> None:
        if self.context:
            raise ContextError(
                f"the model {name!r} has no context, it models all columns together (with 'table', "
                f"'diffeo sample --given' conditions on any); leave out --context, or take a flow "
                f"of continuous numbers such as --model {CONDITIONAL}"
            )


def _warn_of_names(table: Table) -> None:
    if table.path.suffix.lower() == ".csv" and not table.named:
        import warnings

        from diffeo.errors import DataWarning

        warnings.warn(
            f"{table.path} has no header; its columns are called {table.columns[0]} to "
            f"{table.columns[-1]}",
            DataWarning,
            stacklevel=2,
        )
