"""The two assets and their checks, run by Dagster itself against the sandbox."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource
from laion_assets.metadata.sketch import SKETCHES, Sketch
from laion_assets.probes.assets import probe_assets
from laion_assets.probes.checks import probe_checks
from laion_assets.probes.column_origins import sample_origins
from laion_assets.probes.health import host_or_url
from laion_assets.probes.sample import SAMPLE_SCHEMA
from laion_assets.probes.schema import PROBE_SCHEMA
from laion_assets.probes.spec import ProbeSpec, SampleSpec
from laion_assets.probes.store import ProbeStore
from laion_assets.web.resource import WebResource
from laion_assets.web.spec import WebSpec
from laion_assets_tests.probes.conftest import PROBES_KEY, validated

PARTS = dg.DynamicPartitionsDefinition(name="laion_hr_parts")
SAMPLE_KEY = dg.AssetKey(["laion_hr", "dimension_sample"])


@dg.asset(key=["laion_hr", "downstream"], deps=[dg.AssetKey(PROBES_KEY)])
def downstream() -> None:
    """Something that must not run when probing was sick."""


class World:
    """A lake with validated parts, an instance that knows of them, and a way to materialise."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, web: WebSpec, truth: pl.DataFrame) -> None:
        self.lake = Lake(str(folder / "lake"))
        self.instance = instance
        self.web = web
        rows = validated(truth)
        instance.add_dynamic_partitions("laion_hr_parts", [f"part-{number:05d}" for number in range(3)])
        for part in ("part-00000", "part-00001"):
            uri = self.lake.uri(["laion_hr", "validated_metadata"], f"{part}.parquet")
            self.lake.write_parquet(uri, rows.filter(pl.col("part") == part))

    def materialise(
        self, *, size: int = 400, sample: SampleSpec | None = None, **web: object
    ) -> dg.ExecuteInProcessResult:
        assets = probe_assets(
            "laion_hr",
            sample=sample or SampleSpec(size=size),
            probe=ProbeSpec(),
            minimum_side_px=1024,
            parts=PARTS,
            group="laion_hr_analysis",
        )
        return dg.materialize(
            [*assets, *probe_checks("laion_hr", minimum_side_px=1024, edges_px=(1024, 2048, 4096)), downstream],
            instance=self.instance,
            resources={
                "lake": LakeResource(base_uri=self.lake.base_uri),
                "web": WebResource(settings={**self.web.model_dump(mode="json", exclude_none=True), **web}),
            },
            raise_on_error=False,
        )


@pytest.fixture
def world(tmp_path: Path, web: WebSpec, truth: pl.DataFrame) -> Iterator[World]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        fine = truth.filter(pl.col("expected_outcome").is_in(["ok", "not_found", "forbidden"]))
        yield World(tmp_path, instance, web, fine)


def metadata(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, object]:
    found = result.asset_materializations_for_node("__".join(key.path))[0].metadata
    return {name: value.value for name, value in found.items()}


def origins(told: dict[str, object]) -> dict[str, set[tuple[str, str]]]:
    """Asset and column that each column is made of."""
    lineage = told["dagster/column_lineage"]
    assert isinstance(lineage, dg.TableColumnLineage)
    return {
        name: {(dep.asset_key.path[-1], dep.column_name) for dep in deps}
        for name, deps in lineage.deps_by_column.items()
    }


def test_the_weight_of_rows_drawn_in_strata_comes_from_what_makes_the_strata() -> None:
    found = sample_origins(SampleSpec(strata=("language", "size_class")))
    assert found["weight"] == {"language", "declared_width", "declared_height"}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def test_the_chain_samples_probes_and_checks(world: World) -> None:
    result = world.materialise()
    assert result.success
    sample = world.lake.scan_parquet(world.lake.uri(SAMPLE_KEY.path, "dimension_sample.parquet")).collect()
    probes = world.lake.scan_parquet(world.lake.uri(PROBES_KEY, "dimension_probes.parquet")).collect()
    assert sample.height == probes.height == 400
    assert sample.schema == pl.Schema(SAMPLE_SCHEMA)
    assert probes.schema == pl.Schema({**SAMPLE_SCHEMA, **PROBE_SCHEMA})
    assert probes.select(sample.columns).equals(sample)

    told = metadata(result, SAMPLE_KEY)
    assert (told["dagster/row_count"], told["parts_covered"], told["seed"]) == (400, 2, 0)
    assert origins(told)["caption"] == {("validated_metadata", "caption")}
    assert "weight" not in origins(told)
    told = metadata(result, dg.AssetKey(PROBES_KEY))
    assert (told["urls_asked"], told["urls_reused"], told["dagster/row_count"]) == (400, 0, 400)
    assert set(origins(told)) == set(probes.columns)
    assert origins(told)["true_width"] == {("dimension_sample", "url")}
    assert told["ok_share"] == pytest.approx((probes["outcome"] == "ok").mean())

    found = checks(result)
    assert set(found) == {
        "coverage", "probing_was_healthy", "below_1024_anomaly", "declared_versus_true", "probe_contract",
    }  # fmt: skip
    assert found["probing_was_healthy"].passed
    assert found["probing_was_healthy"].blocking
    assert found["probe_contract"].passed
    assert not found["coverage"].passed
    assert "from 2 of 3 known parts. Figures speak for these parts only" in str(found["coverage"].description)
    anomaly = found["below_1024_anomaly"]
    assert not anomaly.passed
    assert anomaly.severity is dg.AssetCheckSeverity.WARN
    assert not anomaly.blocking
    kinds = anomaly.metadata["kinds"].value
    assert [record.data["kind"] for record in kinds.records] == [  # type: ignore[union-attr]
        "straddles_buckets", "declared_below_minimum", "true_below_minimum", "declared_swapped",
    ]  # fmt: skip


def test_running_again_asks_nothing_and_changes_no_data_version(world: World) -> None:
    first = world.materialise()
    second = world.materialise()
    key = dg.AssetKey(PROBES_KEY)
    assert metadata(second, key)["urls_asked"] == 0
    for node in ("laion_hr__dimension_sample", "laion_hr__dimension_probes"):
        tags = [result.asset_materializations_for_node(node)[0].tags for result in (first, second)]
        assert tags[0]["dagster/data_version"] == tags[1]["dagster/data_version"]  # type: ignore[index]


def test_a_sample_comes_out_of_the_sketches_of_its_parts(world: World) -> None:
    for part in ("part-00000", "part-00001"):
        uri = world.lake.uri(["laion_hr", "validated_metadata"], f"{part}.parquet")
        sketch = Sketch(part, seed=0)
        sketch.add(world.lake.scan_parquet(uri).with_columns(caption=pl.lit("of the sketch")).collect())
        rows = sketch.rows(valid_bytes=world.lake.size_bytes(uri))
        world.lake.write_parquet(world.lake.uri(["laion_hr", SKETCHES], f"{part}.parquet"), rows)

    def drawn(sample: SampleSpec) -> tuple[object, set[str]]:
        result = world.materialise(sample=sample)
        uri = world.lake.uri(SAMPLE_KEY.path, "dimension_sample.parquet")
        captions = set(world.lake.scan_parquet(uri).collect()["caption"])
        return metadata(result, SAMPLE_KEY)["parts_from_sketches"], captions

    assert drawn(SampleSpec(size=10)) == (2, {"of the sketch"})
    parts, captions = drawn(SampleSpec(size=10, seed=1))
    assert parts == 0, "sketches are of seed 0"
    assert "of the sketch" not in captions


@pytest.mark.parametrize("kept_bytes", [0, 3000])
def test_a_damaged_sketch_is_told_and_the_sample_drawn_without(world: World, kept_bytes: int) -> None:
    uri = world.lake.uri(["laion_hr", "validated_metadata"], "part-00000.parquet")
    sketch = Sketch("part-00000", seed=0)
    sketch.add(world.lake.scan_parquet(uri).collect())
    sketch_uri = world.lake.uri(["laion_hr", SKETCHES], "part-00000.parquet")
    world.lake.write_parquet(sketch_uri, sketch.rows(valid_bytes=world.lake.size_bytes(uri)))
    content = world.lake.read_bytes(sketch_uri)
    world.lake.write_bytes(sketch_uri, content[:kept_bytes] + bytes(len(content) - kept_bytes))
    result = world.materialise(size=10)
    told = metadata(result, SAMPLE_KEY)
    assert (told["dagster/row_count"], told["parts_from_sketches"]) == (10, 0)
    said = [entry.user_message for entry in world.instance.all_logs(result.run_id)]
    assert any(message.startswith("Drawing a sample from laion_hr/sample_sketch failed (") for message in said)


def test_a_larger_sample_reuses_the_smaller_one(world: World) -> None:
    world.materialise(size=300)
    told = metadata(world.materialise(size=500), dg.AssetKey(PROBES_KEY))
    assert (told["urls_asked"], told["urls_reused"]) == (200, 300)


def test_a_stratum_with_more_places_than_its_size_would_give_it_weighs_what_it_is(
    world: World, truth: pl.DataFrame
) -> None:
    large = pl.min_horizontal("true_width", "true_height") >= 1024
    fine = truth.with_columns(fine=(pl.col("expected_outcome") == "ok") & large).select("url", "fine")
    for part in ("part-00000", "part-00001"):
        uri = world.lake.uri(["laion_hr", "validated_metadata"], f"{part}.parquet")
        rows = world.lake.scan_parquet(uri).collect().join(fine, on="url", how="left", maintain_order="left")
        # Everything dead, and the small images beside it, is Japanese.
        language = pl.when("fine").then(pl.lit("en")).otherwise(pl.lit("ja")).alias("language")
        world.lake.write_parquet(uri, rows.with_columns(language).drop("fine"))
    sample = SampleSpec(size=400, strata=("language",), stratum_shares={"ja": 0.6})
    told = metadata(world.materialise(sample=sample), dg.AssetKey(PROBES_KEY))

    probes = world.lake.scan_parquet(world.lake.uri(PROBES_KEY, "dimension_probes.parquet")).collect()
    weight, ok = probes["weight"].to_numpy(), (probes["outcome"] == "ok").to_numpy()
    assert len(set(weight)) == 2
    share = weight[ok].sum() / weight.sum()
    assert share - ok.mean() > 0.1
    assert told["ok_share"] == pytest.approx(share)
    # As wide as a sample of Kish's effective size, which is smaller than 400.
    low, high = told["ok_share_low"], told["ok_share_high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low < share < high
    effective = weight.sum() ** 2 / (weight**2).sum()
    assert effective < 300
    assert high - low == pytest.approx(2 * 1.96 * (share * (1 - share) / effective) ** 0.5, rel=0.1)

    is_large = probes.select(large).to_series().fill_null(value=False).to_numpy()
    share_of_ok = weight[ok & is_large].sum() / weight[ok].sum()
    assert share_of_ok - is_large[ok].mean() > 0.02
    assert told["large_enough_share_of_ok"] == pytest.approx(share_of_ok)

    records = {record.data["outcome"]: record.data for record in told["outcomes"].records}  # type: ignore[attr-defined]
    assert records["ok"]["rows"] == ok.sum()
    assert records["ok"]["share"] == pytest.approx(share, abs=1e-5)
    assert sum(float(record["share"]) for record in records.values()) == pytest.approx(1, abs=1e-4)


def test_a_drowned_resolver_stops_what_is_downstream_and_is_not_believed_later(world: World) -> None:
    for part in ("part-00000", "part-00001"):
        uri = world.lake.uri(["laion_hr", "validated_metadata"], f"{part}.parquet")
        rows = world.lake.scan_parquet(uri).collect()
        # Hosts reached by name; the others are addresses, which nobody has to look up.
        world.lake.write_parquet(uri, rows.filter(~pl.col("url").str.contains(r"://127\.")))
    result = world.materialise(size=60, nameservers=["127.0.0.1:9"], dns_s=0.2, attempts=1)
    found = checks(result)["probing_was_healthy"]
    assert not found.passed
    assert "our DNS resolver failed or timed out for the names of" in str(found.description)
    assert "nameservers" in str(found.description)
    assert "laion_hr__downstream" not in {event.step_key for event in result.get_step_success_events()}
    assert "resolver_failed" not in ProbeStore(world.lake, PROBES_KEY).newest()["outcome"].to_list()

    healthy = world.materialise(size=60)
    assert metadata(healthy, dg.AssetKey(PROBES_KEY))["urls_asked"] == 60
    assert checks(healthy)["probing_was_healthy"].passed
    assert "laion_hr__downstream" in {event.step_key for event in healthy.get_step_success_events()}

    # The resolver drowns again when most is known already, and of every host but one URL is not.
    kept = ProbeStore(world.lake, PROBES_KEY)
    parts = [world.lake.uri(["laion_hr", "validated_metadata"], f"part-0000{part}.parquet") for part in (0, 1)]
    rows = world.lake.scan_parquet(parts).with_columns(host=host_or_url(pl.col("url"))).collect()
    unknown = rows.filter((pl.len() > 2).over("host")).join(kept.newest(), on="url", how="anti")
    unknown = unknown.unique("host", keep="first", maintain_order=True)
    known = rows.join(unknown, on="url", how="anti").select("url")
    kept.append(known.join(kept.newest().filter(pl.col("outcome") == "ok").head(1).drop("url"), how="cross"))
    result = world.materialise(size=rows.height, nameservers=["127.0.0.1:9"], dns_s=0.2, attempts=1)
    found = checks(result)["probing_was_healthy"]
    assert not found.passed
    assert found.metadata["probes"].value == unknown.height >= 30
    assert kept.newest().join(unknown, on="url", how="semi").is_empty()


def test_no_materialised_part_makes_an_empty_sample_that_says_so(world: World) -> None:
    for part in ("part-00000", "part-00001"):
        world.lake.delete(world.lake.uri(["laion_hr", "validated_metadata"], f"{part}.parquet"))
    result = world.materialise()
    assert result.success
    coverage = checks(result)["coverage"]
    assert not coverage.passed
    assert "materialise validated_metadata for at least one part" in str(coverage.description)
