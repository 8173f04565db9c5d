"""The plan of a subset in the lake: which rows will be downloaded, and what that will bring and cost.

Reads and writes; what is decided is in ``cut``, what is predicted in ``forecast``.
"""

from collections import Counter
from dataclasses import dataclass

import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.subsets.columns import DERIVED_COLUMNS
from laion_assets.subsets.cut import REPEATED_SCHEMA, Cut, StalePlanError, make_cut, outdated_plan
from laion_assets.subsets.forecast import Forecast, HostLimits, make_forecast
from laion_assets.subsets.keeping import Keeping
from laion_assets.subsets.rows import funnel_to_json, read_funnel, refuse_outdated_rows, rows_sha256, selected_parts
from laion_assets.subsets.selection import Funnel
from laion_assets.subsets.spec import SubsetSpec

_CUT, _FORECAST, _REPEATED = "cut.json", "plan.json", "repeated.parquet"


@dataclass(frozen=True)
class Plan:
    """What was decided and predicted."""

    cut: Cut
    forecast: Forecast
    funnel: Funnel


def make_plan(
    lake: Lake,
    dataset: str,
    subset: SubsetSpec,
    *,
    keeping: Keeping,
    limits: HostLimits,
    expected_parts: int | None = None,
) -> Plan:
    """Decide and predict from all parts that are there, and store both.

    Raises:
        StalePlanError: There is no part yet, or the rows of some were selected by other conditions than today's.
    """
    keys = selected_parts(lake, dataset, subset.name)
    if not keys:
        raise StalePlanError(f"{dataset}/{subset.name}: no part has its rows yet. Materialise rows for a part first.")
    refuse_outdated_rows(lake, dataset, subset, keys)
    rows_key = [dataset, subset.name, "rows"]
    parts = {key: lake.scan_parquet(lake.uri(rows_key, f"{key}.parquet")) for key in keys}
    cut, repeated = make_cut(parts, subset, expected_parts=expected_parts)

    probes = lake.scan_parquet(lake.uri([dataset, "dimension_probes"], "dimension_probes.parquet")).collect()
    hosts: Counter[str] = Counter()
    asked = []
    host = DERIVED_COLUMNS["url_host"][1].fill_null("")
    for key, frame in parts.items():
        planned = cut.apply(key, frame.select("part", "row", "url", "score").collect(), repeated)
        hosts.update(dict(planned.group_by(host.alias("host")).len().iter_rows()))
        asked.append(probes.filter(pl.col("part") == key).join(planned, on=["part", "row"], how="semi"))
    forecast = make_forecast(
        pl.concat(asked),
        hosts,
        keeping=keeping,
        assumed=subset.plan,
        limits=limits,
        parts=sum(part.planned > 0 for part in cut.parts.values()),
    )
    funnels = [read_funnel(lake, dataset, subset.name, key) for key in keys]
    funnel = sum(funnels[1:], start=funnels[0])

    planned_from = {key: rows_sha256(lake, dataset, subset.name, key) for key in keys}
    plan_key = [dataset, subset.name, "plan"]
    lake.write_parquet(lake.uri(plan_key, _REPEATED), repeated)
    lake.write_json(lake.uri(plan_key, _CUT), {**cut.to_json(), "rows_sha256": planned_from})
    lake.write_json(lake.uri(plan_key, _FORECAST), {**forecast.to_json(), "funnel": funnel_to_json(funnel)})
    return Plan(cut, forecast, funnel)


def read_forecast(lake: Lake, dataset: str, subset: str) -> Forecast:
    """The forecast that was stored."""
    stored = lake.read_json(lake.uri([dataset, subset, "plan"], _FORECAST))
    stored.pop("funnel")
    return Forecast.from_json(stored)


def planned_rows(lake: Lake, dataset: str, subset: str, part: str) -> pl.DataFrame:
    """The rows of one part that are to be downloaded, in ``ROWS_SCHEMA``, in the order of the shards.

    Raises:
        StalePlanError: The plan was made for other rows.
    """
    key = [dataset, subset, "plan"]
    stored = lake.read_json(lake.uri(key, _CUT))
    cut = Cut.from_json(stored)
    if stored.get("rows_sha256", {}).get(part) != rows_sha256(lake, dataset, subset, part):
        raise outdated_plan(part)
    repeated = lake.scan_parquet(lake.uri(key, _REPEATED)).collect().cast(pl.Schema(REPEATED_SCHEMA))
    rows = lake.scan_parquet(lake.uri([dataset, subset, "rows"], f"{part}.parquet")).collect()
    return cut.apply(part, rows, repeated)
