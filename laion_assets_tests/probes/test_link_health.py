"""The panel of a week, materialised by Dagster against the sandbox."""

import math
from collections.abc import Callable

import dagster as dg
import polars as pl
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource
from laion_assets.probes.link_health_assets import CHECK, link_health, panel_weeks
from laion_assets.probes.panel import PanelSpec
from laion_assets.probes.share import share
from laion_assets.probes.spec import ProbeSpec
from laion_assets.probes.store import ProbeStore
from laion_assets.web.resource import WebResource
from laion_assets.web.spec import WebSpec

ROWS = 40
PANEL = PanelSpec(rows=ROWS)
Probe = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def probe_week(lake: Lake, web: WebSpec, truth: pl.DataFrame) -> Probe:
    """Probes a panel of which three in four links are alive, for the newest week that is over."""
    # Hosts reached by name; the others are addresses, which nobody has to look up.
    named = truth.filter(~pl.col("url").str.contains(r"://127\."))
    alive = named.filter(pl.col("expected_outcome") == "ok").head(ROWS * 3 // 4)
    dead = named.filter(pl.col("expected_outcome") == "not_found").head(ROWS // 4)
    sample = pl.concat([alive, dead]).select("part", "row", "url").with_columns(weight=pl.lit(1.0))
    lake.write_parquet(lake.uri(["toy", "dimension_sample"], "dimension_sample.parquet"), sample)

    def materialise(**settings: object) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [link_health("toy", panel=PANEL, probe=ProbeSpec(), sample_seed=0, group="g")],
            partition_key=newest_week(),
            resources={
                "lake": LakeResource(base_uri=lake.base_uri),
                "web": WebResource(settings={**web.model_dump(mode="json", exclude_none=True), **settings}),
            },
        )

    return materialise


def newest_week() -> str:
    return str(panel_weeks(PANEL).get_last_partition_key())


def keep_week(lake: Lake, week: str, outcomes: list[str]) -> None:
    lake.write_parquet(lake.uri(["toy", "link_health"], f"{week}.parquet"), pl.DataFrame({"outcome": outcomes}))


def told(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    [made] = result.asset_materializations_for_node("toy__link_health")
    return {name: value.value for name, value in made.metadata.items()}


def verdict(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    [found] = result.get_asset_check_evaluations()
    assert found.check_name == CHECK
    return found


def test_a_week_tells_the_share_alive_with_its_interval(probe_week: Probe) -> None:
    result = probe_week()
    expected = share(30, 40)
    figures = told(result)
    assert (figures["alive_share"], figures["alive_share_low"], figures["alive_share_high"]) == (
        expected.estimate, expected.low, expected.high,
    )  # fmt: skip
    assert (figures["asked"], figures["not_asked"]) == (40, 0)
    lineage = figures["dagster/column_lineage"]
    assert isinstance(lineage, dg.TableColumnLineage)
    assert lineage.deps_by_column["outcome"] == [dg.TableColumnDep(["toy", "dimension_sample"], "url")]
    assert set(lineage.deps_by_column) >= set(pl.read_parquet(str(figures["dagster/uri"])).columns)
    assert verdict(result).passed
    assert verdict(result).description == f"{expected} alive; no earlier week is known"


def test_a_week_is_compared_with_the_last_one_in_which_links_could_be_asked(probe_week: Probe, lake: Lake) -> None:
    keep_week(lake, "2026-01-05", ["ok"] * 10 + ["not_found"] * 30)
    keep_week(lake, "2026-01-12", ["ok"] * 400)
    keep_week(lake, "2026-01-19", ["resolver_failed"] * 40)
    found = verdict(probe_week())
    assert not found.passed
    assert str(found.description).endswith("100.00% (99.05% to 100.00%) in the week of 2026-01-12")


def test_a_week_in_which_nothing_could_be_asked_does_not_pass_and_has_no_share(probe_week: Probe, lake: Lake) -> None:
    keep_week(lake, "2026-01-12", ["ok"] * 400)
    result = probe_week(nameservers=["127.0.0.1:9"], dns_s=0.2, attempts=1)
    figures = told(result)
    assert (figures["asked"], figures["not_asked"]) == (0, 40)
    assert not any(name.startswith("alive_share") for name in figures)
    assert not any(isinstance(value, float) and math.isnan(value) for value in figures.values())
    found = verdict(result)
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert "none of the panel's 40 links could be asked" in str(found.description)


def test_what_a_sick_week_found_is_not_believed_by_the_next_probes(probe_week: Probe, lake: Lake) -> None:
    found = verdict(probe_week(nameservers=["127.0.0.1:9"], dns_s=0.2, attempts=1))
    assert not found.passed
    assert ProbeStore(lake, ["toy", "dimension_probes"]).newest().is_empty()
    probe_week()
    assert ProbeStore(lake, ["toy", "dimension_probes"]).newest().height == ROWS
