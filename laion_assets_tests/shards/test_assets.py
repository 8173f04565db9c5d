"""The Dagster faces of subset and shards, from valid rows to the index, through Pipes as a run does it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource
from laion_assets.shards.assets import shard_assets
from laion_assets.shards.checks import shard_checks
from laion_assets.shards.layout import read_shards
from laion_assets.shards.spec import ShardsSpec
from laion_assets.subsets.assets import subset_assets
from laion_assets.subsets.spec import PlanSpec, SubsetSpec
from laion_assets.web.resource import WebResource
from laion_assets_tests.shards.conftest import SmallWeb, image_bytes
from laion_assets_tests.subsets.conftest import probes_of, valid_rows

PARTS = dg.StaticPartitionsDefinition(["part-00000", "part-00001"])


class Chain:
    """A dataset with one subset, in an instance and a lake of its own."""

    def __init__(self, lake: Lake, instance: dg.DagsterInstance, subset: SubsetSpec, spec: ShardsSpec) -> None:
        self.lake = lake
        self.instance = instance
        self.subset = subset
        self.pipes = dg.PipesSubprocessClient()
        how: dict[str, Any] = {"minimum_side_px": 1024, "parts": PARTS}
        keeping = spec.keeping(1024)
        self.definitions = [
            *subset_assets("d", subset, keeping=keeping, expected_parts=2, parts=PARTS, group="g"),
            *shard_assets("d", subset, spec=spec, group="g", **how),
            *shard_checks("d", subset, spec=spec, **how),
        ]

    def materialise(
        self, *names: str, part: str | None = None, config: dict[str, Any] | None = None, must_succeed: bool = True
    ) -> dg.ExecuteInProcessResult:
        keys = [dg.AssetKey(["d", "s", name]) for name in names]
        return self.run(dg.AssetSelection.assets(*keys), part=part, config=config, must_succeed=must_succeed)

    def run(
        self,
        selection: dg.AssetSelection,
        *,
        part: str | None,
        config: dict[str, Any] | None = None,
        must_succeed: bool = True,
    ) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            self.definitions,
            selection=selection,
            partition_key=part,
            instance=self.instance,
            run_config=config,
            raise_on_error=must_succeed,
            resources={
                "lake": LakeResource(base_uri=self.lake.base_uri),
                "web": WebResource(settings={"allow_networks": ["127.0.0.0/8"], "attempts": 1, "deadline_s": 60.0}),
                "pipes": self.pipes,
            },
        )

    def plan(self) -> None:
        """Rows of both parts, and the plan."""
        for part in PARTS.get_partition_keys():
            self.materialise("rows", part=part)
        self.materialise("plan")


def metadata_of(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(f"d__s__{name}")
    return {key: value.value for key, value in event.metadata.items()}


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def chain(lake: Lake, small_web: SmallWeb, instance: dg.DagsterInstance) -> Chain:
    """Two parts of 20 valid rows; every fifth link is dead, every row of similarity 0.1 is not wanted."""
    frames = []
    for part in PARTS.get_partition_keys():
        urls = [
            small_web.url(f"{part}/gone{index}")
            if index % 5 == 0
            else small_web.put(f"{part}/{index}", image_bytes(1100, 1040, colour=index % 3))
            for index in range(20)
        ]
        frame = valid_rows(20, part=part, url=urls, similarity=[0.1] * 5 + [0.3] * 15)
        lake.write_parquet(lake.uri(["d", "validated_metadata"], f"{part}.parquet"), frame)
        frames.append(frame)
    rows = pl.concat(frames)
    dead = [index % 5 == 0 for _ in range(2) for index in range(20)]
    probes = probes_of(
        rows,
        outcome=["not_found" if gone else "ok" for gone in dead],
        file_bytes=[
            None if gone else len(image_bytes(1100, 1040, colour=row % 20 % 3)) for row, gone in enumerate(dead)
        ],
        true_width=[None if gone else 1100 for gone in dead],
    )
    lake.write_parquet(lake.uri(["d", "dimension_probes"], "dimension_probes.parquet"), probes)
    subset = SubsetSpec(name="s", where={"fits": "similarity >= 0.2"}, plan=PlanSpec(least_probes=10))
    return Chain(lake, instance, subset, ShardsSpec(rows_per_shard=10, decode_share=1.0))


def test_the_chain_from_valid_rows_to_the_index(chain: Chain) -> None:
    for part in PARTS.get_partition_keys():
        told = metadata_of(chain.materialise("rows", part=part), "rows")
        assert (told["rows_in"], told["rows"], told["removed by fits"]) == (20, 15, 5)
        assert told["dagster/partition_row_count"] == 15
        stored = chain.lake.uri(["d", "s", "rows"], f"{part}.parquet")
        assert set(told["dagster/column_lineage"].deps_by_column) == set(
            chain.lake.scan_parquet(stored).collect_schema()
        )
        assert (told["removed by fits alone"], told["left after fits"]) == (5, 15)

    planned = chain.materialise("plan")
    assert checks_of(planned) == {"fits_the_disk": True, "fits_the_disk_at_most": True}
    told = metadata_of(planned, "plan")
    assert (told["rows"], told["probes"], told["probes suffice"]) == (30, 30, True)
    assert told["reachable share"] == pytest.approx(0.8)
    assert (told["removed by fits"], told["left after fits"]) == (10, 30)
    assert (told["busiest domain"], told["busiest domain share"]) == ("127.9.9.1", 1.0)
    assert told["hours by busiest domain"] == pytest.approx(30 / 60 / 3600)
    assert told["hours by busiest host"] == pytest.approx(30 / 20 / 3600)

    for part in PARTS.get_partition_keys():
        downloaded = chain.materialise("shards", part=part)
        assert checks_of(downloaded) == {"every_row_accounted": True, "tars_intact": True}
        told = metadata_of(downloaded, "shards")
        assert (told["planned rows"], told["images"], told["shards"]) == (15, 12, 2)
        stored = chain.lake.uri(["d", "s", "shards", part], "00000.parquet")
        made_of = told["dagster/column_lineage"].deps_by_column
        assert {"key", *made_of} == set(chain.lake.scan_parquet(stored).collect_schema())
        assert made_of["caption"] == [dg.TableColumnDep(["d", "s", "rows"], "caption")]
        assert made_of["original_width"] == [dg.TableColumnDep(["d", "s", "rows"], "url")]
        assert told["yield"] == pytest.approx(0.8)

    indexed = chain.materialise("index")
    told = metadata_of(indexed, "index")
    assert (told["parts"], told["shards"], told["rows"], told["images"]) == (2, 4, 30, 24)
    (event,) = indexed.asset_materializations_for_node("d__s__index")
    compared = event.metadata["plan against actual"]
    assert isinstance(compared, dg.TableMetadataValue)
    figures = {record.data["figure"]: record.data for record in compared.records}
    assert figures["images"]["planned"] == pytest.approx(24)
    assert (figures["images"]["actual"], figures["images"]["inside"]) == (24, True)
    assert figures["images"]["off_by"] == pytest.approx(told["images off by"]) == pytest.approx(0)
    assert figures["bytes to store"]["inside"]
    assert list(figures) == ["images", "bytes to transfer", "bytes to store", "hours"]
    folder = ["d", "s"]
    stored = chain.lake.read_json(chain.lake.uri([*folder, "index"], "plan_against_actual.json"))
    assert {one["figure"]: one["actual"] for one in stored}["images"] == 24
    card = chain.lake.read_bytes(chain.lake.uri(folder, "README.md")).decode()
    assert "| images | 24 |" in card
    assert "| 24 | +0.0% |" in card
    assert "says one of `noai`, `noimageai`, `noindex`, `noimageindex`, `noml` were left out" in card
    assert chain.lake.exists(chain.lake.uri(["d", "s"], "README.md"))

    other_limits = Chain(chain.lake, chain.instance, chain.subset, ShardsSpec(rows_per_shard=10, maximum_aspect=2.0))
    refused = other_limits.materialise("index", must_succeed=False)
    (failure,) = [event for event in refused.all_events if event.is_step_failure]
    assert "4 shards of part-00000, part-00001 are not of today's plan" in str(failure.step_failure_data.error)


def test_a_second_run_reuses_the_shards_and_gives_the_same_data_version(chain: Chain, small_web: SmallWeb) -> None:
    chain.plan()
    versions = []
    for _ in range(2):
        result = chain.materialise("shards", part="part-00000")
        (event,) = result.asset_materializations_for_node("d__s__shards")
        versions.append((event.tags or {})["dagster/data_version"])
        asked = small_web.asked.total()
    assert versions[0] == versions[1]
    assert metadata_of(result, "shards")["shards reused"] == 2
    assert asked == 15


def test_a_download_that_does_not_fit_the_disk_is_refused_before_it_begins(chain: Chain, small_web: SmallWeb) -> None:
    subset = SubsetSpec(name="s", where={"fits": "similarity >= 0.2"}, plan=PlanSpec(free_share=1e-12))
    small_disk = Chain(chain.lake, chain.instance, subset, ShardsSpec())
    for part in PARTS.get_partition_keys():
        small_disk.materialise("rows", part=part)
    planned = small_disk.materialise("plan", must_succeed=False)
    assert checks_of(planned) == {"fits_the_disk": False, "fits_the_disk_at_most": False}
    refusal, warning = planned.get_asset_check_evaluations()
    assert refusal.blocking
    assert (warning.blocking, warning.severity) == (False, dg.AssetCheckSeverity.WARN)
    refused = small_disk.materialise("shards", part="part-00000", must_succeed=False)
    assert not refused.success
    assert small_web.asked.total() == 0


def test_rows_that_failed_for_a_while_are_tried_again_when_the_run_is_told_so(
    chain: Chain, small_web: SmallWeb
) -> None:
    small_web.down = True
    chain.plan()
    first = chain.materialise("shards", part="part-00000")
    assert metadata_of(first, "shards")["images"] == 0
    small_web.down = False
    config = {"ops": {"d__s__shards": {"config": {"retry": True}}}}
    second = chain.materialise("shards", part="part-00000", config=config)
    told = metadata_of(second, "shards")
    assert (told["images"], told["rows tried again"]) == (12, 15)
    assert checks_of(second)["every_row_accounted"]


def test_damage_to_a_tar_is_found_by_the_audit(chain: Chain) -> None:
    chain.plan()
    chain.materialise("shards", part="part-00000")
    tar = Path(chain.lake.uri(["d", "s", "shards"], "part-00000/00000.tar"))
    content = bytearray(tar.read_bytes())
    content[5000] ^= 0xFF
    tar.write_bytes(content)
    again = chain.materialise("shards", part="part-00000")
    assert metadata_of(again, "shards")["shards reused"] == 2
    (check,) = [check for check in again.get_asset_check_evaluations() if check.check_name == "tars_intact"]
    assert not check.passed
    assert "00000: the tar is not the one that was written" in (check.description or "")


def test_a_download_that_fails_says_why_in_the_run(chain: Chain) -> None:
    chain.plan()
    blocked = Path(chain.lake.uri(["d", "s", "shards"], "part-00000"))
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("a file where a folder belongs")
    result = chain.materialise("shards", part="part-00000", must_succeed=False)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "part-00000" in str(failure.step_failure_data.user_failure_data or failure.step_failure_data.error)
    assert read_shards(chain.lake, ["d", "s", "shards"], "part-00001") == {}


class Dying(dg.PipesSubprocessClient):
    """Processes that die and leave no reason, some times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.deaths_left = times

    def run(self, **arguments: Any) -> Any:  # noqa: ANN401 (Dagster's signature is none of ours)
        if self.deaths_left:
            self.deaths_left -= 1
            arguments["command"] = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
        return super().run(**arguments)


@pytest.mark.parametrize("deaths", [1, 9])
def test_a_download_that_died_without_a_word_is_started_again_but_not_for_ever(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    monkeypatch.setattr("laion_assets.shards.assets.FIRST_PAUSE_S", 0.01)
    chain.plan()
    chain.pipes = Dying(deaths)
    result = chain.materialise("shards", part="part-00000", must_succeed=False)
    assert result.success is (deaths == 1)
    again = [event for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY]
    assert len(again) == min(deaths, 2)
