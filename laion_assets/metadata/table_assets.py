"""How a table is described to Dagster: its columns, and from which columns upstream each of them comes."""

from collections.abc import Mapping
from types import MappingProxyType

import dagster as dg
import polars as pl

from laion_assets.metadata.column_origins import Origins
from laion_assets.metadata.schema import CANONICAL_COLUMNS

_MEANINGS = {
    "part": "partition key of the published file",
    "row": "0-based position in the published file",
    "flags": "names of the rules that the row breaks",
    **{column.name: column.meaning for column in CANONICAL_COLUMNS},
}
# A stranger's file may have thousands of columns, with names as long as a caption. An event is no place for them.
_MOST_COLUMNS = 200
_LONGEST_NAME = 200


def column_schema(
    schema: Mapping[str, pl.DataType], meanings: Mapping[str, str] = MappingProxyType({})
) -> dg.TableSchema:
    """A polars schema as the UI shows it.

    Args:
        schema: names and types.
        meanings: what is in a column, for those that validated rows have not.
    """
    said = {**_MEANINGS, **meanings}
    return dg.TableSchema([dg.TableColumn(name, str(dtype), said.get(name)) for name, dtype in schema.items()])


def column_lineage(upstream: dg.AssetKey, origins: Origins) -> dg.TableColumnLineage:
    """The columns of a table, each with the columns it is made of.

    Args:
        upstream: the asset whose columns these are.
        origins: names of its columns per column of the table; columns made of none are left out.
    """
    named = [(name, found) for name, found in origins.items() if found and len(name) <= _LONGEST_NAME]
    return dg.TableColumnLineage(
        {name: [dg.TableColumnDep(upstream, one) for one in found] for name, found in named[:_MOST_COLUMNS]}
    )
