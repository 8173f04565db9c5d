"""The assets and checks of the room run by Dagster: a lake, an instance, and what a run said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from laion_assets.lake.resource import LakeResource
from laion_assets.metadata.assets import duplicate_assets, metadata_assets
from laion_assets.metadata.checks import metadata_checks
from laion_assets.metadata.row_hashes import row_hash
from laion_assets.metadata.spec import ExpectationsSpec, RulesSpec
from laion_assets_tests.metadata.conftest import rows

PARTS = dg.DynamicPartitionsDefinition(name="laion_hr_parts")
KEYS = [f"part-{number:05d}" for number in range(3)]
SEED = 7
OF_A_PART = ("validated_metadata", "quarantined_metadata", "metadata_profile", "rows")


def asset_key(*names: str) -> dg.AssetKey:
    return dg.AssetKey(["laion_hr", *names])


def tables_alone() -> dg.AssetSelection:
    """What one step makes, without the step of checks after it."""
    accounting = dg.AssetCheckKey(asset_key("validated_metadata"), "row_accounting")
    tables = dg.AssetSelection.assets(*(asset_key(name) for name in OF_A_PART[:3]))
    return tables.without_checks() | dg.AssetSelection.checks(accounting)


class Platform:
    """The assets and checks of this room on a lake, with one asset downstream of each validated part."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, *, pages_url: str = "") -> None:
        self.folder, self.instance = folder / "laion_hr", instance
        self.raw.mkdir(parents=True)
        expectations = ExpectationsSpec(parts=3, rows=1500)

        @dg.asset(key=asset_key("rows"), deps=[asset_key("validated_metadata")], partitions_def=PARTS)
        def downstream() -> None: ...

        self.defs = dg.Definitions(
            assets=[
                *metadata_assets(
                    "laion_hr",
                    columns={},
                    expectations=expectations,
                    rules=RulesSpec(),
                    sample_seed=SEED,
                    parts=PARTS,
                    group="g",
                ),
                *duplicate_assets("laion_hr", group="g"),
                downstream,
            ],
            asset_checks=metadata_checks("laion_hr", expectations=expectations, parts=PARTS, rules=RulesSpec()),
            jobs=[
                dg.define_asset_job("part", dg.AssetSelection.assets(*(asset_key(name) for name in OF_A_PART))),
                dg.define_asset_job("tables", tables_alone()),
                dg.define_asset_job("rows", dg.AssetSelection.assets(asset_key("rows"))),
                dg.define_asset_job("duplicates", dg.AssetSelection.assets(asset_key("duplicate_urls"))),
            ],
            resources={"lake": LakeResource(base_uri=str(folder), pages_url=pages_url)},
        )

    @property
    def raw(self) -> Path:
        return self.folder / "raw_metadata"

    def publish(self, key: str, frame: pl.DataFrame | bytes, *, ending: str = "parquet") -> None:
        path = self.raw / f"{key}.{ending}"
        if isinstance(frame, bytes):
            path.write_bytes(frame)
        else:
            frame.write_parquet(path)
        self.instance.add_dynamic_partitions("laion_hr_parts", [key])

    def run(self, key: str | None, job: str = "part") -> dg.ExecuteInProcessResult:
        definition = self.defs.resolve_job_def(job)
        return definition.execute_in_process(instance=self.instance, partition_key=key, raise_on_error=False)

    def files(self) -> list[str]:
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.folder)) for path in found if "raw_metadata" not in path.parts)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """An empty platform."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(tmp_path / "lake", instance)


def sound_part(number: int, n: int = 500) -> pl.DataFrame:
    urls = [f"http://h{i % 7}.example/{number}/{i}-1600x1200.jpg" for i in range(n)]
    return rows(*({"URL": url, "hash": row_hash(url, "a red bicycle")} for url in urls))


def check_of(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    return next(one for one in result.get_asset_check_evaluations() if one.check_name == name)


def metadata_of(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    for event in result.get_asset_materialization_events():
        if event.asset_key == asset_key(name):
            return {key: value.value for key, value in event.materialization.metadata.items()}
    raise AssertionError(f"{name} was not materialised")
