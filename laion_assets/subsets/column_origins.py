"""From which validated columns those of a subset's rows come."""

from laion_assets.metadata.column_origins import Origins, taken_over
from laion_assets.subsets.columns import DERIVED_COLUMNS
from laion_assets.subsets.selection import ROWS_SCHEMA, best_of
from laion_assets.subsets.spec import SubsetSpec


def rows_origins(subset: SubsetSpec) -> Origins:
    """Of the selected rows: what was validated, what ranks them under a cap, and what a missing row hash is made of.

    Args:
        subset: which rows are taken.
    """
    origins = taken_over(name for name in (*ROWS_SCHEMA, *subset.extra_columns) if name != "score")
    if subset.duplicates == "drop_same_row":
        origins["row_hash"] |= {"url", "caption"}
    best = best_of(subset)
    origins["score"] = {"part", "row"} if best is None else set()
    for name in best.meta.root_names() if best is not None else ():
        derived = DERIVED_COLUMNS.get(name)
        origins["score"] |= set(derived[1].meta.root_names()) if derived else {name}
    return origins
