"""The plan of a subset in the lake: which rows will be downloaded, and what that will bring and cost.

Reads and writes; what is decided is in ``cut``, what is predicted in ``forecast``.
"""

from collections import Counter
from dataclasses import dataclass

import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.lake.stores import free_bytes
from laion_assets.subsets.columns import DERIVED_COLUMNS
from laion_assets.subsets.cut import REPEATED_SCHEMA, Cut, StalePlanError, make_cut
from laion_assets.subsets.forecast import Forecast, HostLimits, make_forecast
from laion_assets.subsets.keeping import Keeping
from laion_assets.subsets.selection import Funnel, FunnelStep
from laion_assets.subsets.spec import SubsetSpec

_CUT, _FORECAST, _REPEATED = "cut.json", "plan.json", "repeated.parquet"


@dataclass(frozen=True)
class Plan:
    """What was decided and predicted."""

    cut: Cut
    forecast: Forecast
    funnel: Funnel


@dataclass(frozen=True)
class Room:
    """What the download needs on disk and what there is; None where the lake has no end, as on S3."""

    needed_bytes: float
    there_bytes: int
    """Already taken by shards of this subset."""
    free_bytes: int | None
    usable_share: float

    @property
    def fits(self) -> bool:
        """Whether the rest of the download may be started."""
        return self.free_bytes is None or self.needed_bytes - self.there_bytes <= self.free_bytes * self.usable_share

    @property
    def sentence(self) -> str:
        """What was compared."""
        if self.free_bytes is None:
            return "The lake has no fixed size."
        return (
            f"{self.needed_bytes / 1e9:,.2f} GB to store at most, {self.there_bytes / 1e9:,.2f} GB of it there "
            f"already; {self.free_bytes / 1e9:,.2f} GB free, of which {self.usable_share:.0%} may be used."
        )


def write_rows(lake: Lake, dataset: str, subset: SubsetSpec, part: str, rows: pl.DataFrame, funnel: Funnel) -> int:
    """Store the selected rows of a part beside their funnel; returns the bytes of the rows."""
    key = [dataset, subset.name, "rows"]
    lake.write_json(lake.uri(key, f"{part}.funnel.json"), funnel_to_json(funnel))
    return lake.write_parquet(lake.uri(key, f"{part}.parquet"), rows)


def read_funnel(lake: Lake, dataset: str, subset: str, part: str) -> Funnel:
    """The funnel of a part."""
    stored = lake.read_json(lake.uri([dataset, subset, "rows"], f"{part}.funnel.json"))
    return Funnel(stored["rows_in"], tuple(FunnelStep(**step) for step in stored["steps"]))


def funnel_to_json(funnel: Funnel) -> dict[str, object]:
    """A funnel as it is stored."""
    return {"rows_in": funnel.rows_in, "steps": [vars(step) for step in funnel.steps]}


def selected_parts(lake: Lake, dataset: str, subset: str) -> list[str]:
    """Parts whose rows were selected, in order."""
    return [name.removesuffix(".parquet") for name in lake.list_names([dataset, subset, "rows"], ".parquet")]


def make_plan(
    lake: Lake,
    dataset: str,
    subset: SubsetSpec,
    *,
    keeping: Keeping,
    limits: HostLimits,
    expected_parts: int | None = None,
) -> Plan:
    """Decide and predict from all parts that are there, and store both."""
    keys = selected_parts(lake, dataset, subset.name)
    if not keys:
        raise StalePlanError(f"{dataset}/{subset.name}: no part has its rows yet. Materialise rows for a part first.")
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

    plan_key = [dataset, subset.name, "plan"]
    lake.write_parquet(lake.uri(plan_key, _REPEATED), repeated)
    lake.write_json(lake.uri(plan_key, _CUT), cut.to_json())
    lake.write_json(lake.uri(plan_key, _FORECAST), {**forecast.to_json(), "funnel": funnel_to_json(funnel)})
    return Plan(cut, forecast, funnel)


def read_forecast(lake: Lake, dataset: str, subset: str) -> Forecast:
    """The forecast that was stored."""
    stored = lake.read_json(lake.uri([dataset, subset, "plan"], _FORECAST))
    stored.pop("funnel")
    return Forecast.from_json(stored)


def planned_rows(lake: Lake, dataset: str, subset: str, part: str) -> pl.DataFrame:
    """The rows of one part that are to be downloaded, in ``ROWS_SCHEMA``, in the order of the shards."""
    key = [dataset, subset, "plan"]
    cut = Cut.from_json(lake.read_json(lake.uri(key, _CUT)))
    repeated = lake.scan_parquet(lake.uri(key, _REPEATED)).collect().cast(pl.Schema(REPEATED_SCHEMA))
    rows = lake.scan_parquet(lake.uri([dataset, subset, "rows"], f"{part}.parquet")).collect()
    return cut.apply(part, rows, repeated)


def room_for(lake: Lake, dataset: str, subset: SubsetSpec, forecast: Forecast) -> Room:
    """Whether what is to be stored, at the high end of its interval, fits what is free now."""
    from pathlib import Path

    if lake.base_uri.startswith("s3://"):
        return Room(forecast.bytes_to_store.high, 0, None, subset.plan.free_share)
    there = 0
    for part in selected_parts(lake, dataset, subset.name):
        key = [dataset, subset.name, "shards", part]
        there += sum(lake.size_bytes(lake.uri(key, name)) for name in lake.list_names(key, ".tar"))
    folder = Path(lake.base_uri)
    while not folder.exists():
        folder = folder.parent
    return Room(forecast.bytes_to_store.high, there, free_bytes(folder), subset.plan.free_share)
