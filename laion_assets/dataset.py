"""A dataset as one Dagster component: what its ``defs.yaml`` may say, and the assets, checks and jobs that follow.

The rooms do the work; this file only hands each room the part of the YAML that concerns it.
"""

import dagster as dg
from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from laion_assets.automation.asset_tags import with_tags
from laion_assets.automation.conditions import joins_its_asset, once_requested_parts_are_in
from laion_assets.automation.jobs import dataset_jobs
from laion_assets.automation.schedules import monthly_refresh, weekly_link_health
from laion_assets.automation.sensors import discovery_sensor, upkeep_sensor
from laion_assets.automation.upkeep import with_upkeep
from laion_assets.defs_yaml import YamlComponent
from laion_assets.metadata.assets import duplicate_assets, metadata_assets
from laion_assets.metadata.checks import metadata_checks
from laion_assets.metadata.spec import ColumnsSpec, ExpectationsSpec, RulesSpec
from laion_assets.probes.assets import probe_assets
from laion_assets.probes.checks import probe_checks
from laion_assets.probes.link_health_assets import link_health, panel_weeks
from laion_assets.probes.panel import PanelSpec
from laion_assets.probes.spec import ProbeSpec, SampleSpec
from laion_assets.shards.assets import shard_assets
from laion_assets.shards.checks import shard_checks
from laion_assets.shards.spec import ShardsSpec
from laion_assets.sources.assets import raw_metadata
from laion_assets.sources.spec import SourceSpec
from laion_assets.statistics.assets import statistics_assets
from laion_assets.statistics.spec import RequirementSpec
from laion_assets.subsets.assets import subset_assets
from laion_assets.subsets.spec import SubsetSpec


class DatasetSubset(SubsetSpec):
    """A subset and the shards it is downloaded into."""

    shards: ShardsSpec = Field(default=ShardsSpec(), description="How its images are downloaded and stored.")

    @model_validator(mode="after")
    def _hashes_are_there(self) -> Self:
        if self.shards.verify_hash is not None:
            self.shards.verify_hash.check_column(self.extra_columns)
        return self


class ImageTextDataset(YamlComponent):
    """An image-text dataset: where it is published, what is expected of it, and which subsets are wanted."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", description="Prefix of every asset key, such as laion_hr.")
    title: str = Field(min_length=1, description="The name people use, such as LAION-High-Resolution.")
    source: SourceSpec = Field(description="Where the parts are published and how their keys are read.")
    columns: ColumnsSpec = Field(default={}, description="Further published names per canonical column.")
    expectations: ExpectationsSpec = Field(default=ExpectationsSpec(), description="What the publisher promises.")
    rules: RulesSpec = Field(default=RulesSpec(), description="Rules to add, tune or switch off.")
    sample: SampleSpec = Field(default=SampleSpec(), description="The rows that are probed.")
    probe: ProbeSpec = Field(default=ProbeSpec(), description="How the web is asked.")
    panel: PanelSpec = Field(default=PanelSpec(), description="The rows that are probed every week.")
    requirement: RequirementSpec = Field(default=RequirementSpec(), description="What the report measures against.")
    subsets: list[DatasetSubset] = Field(default=[], description="Named choices of rows, each with its shards.")

    @field_validator("subsets")
    @classmethod
    def _names_are_unique(cls, subsets: list[DatasetSubset]) -> list[DatasetSubset]:
        names = [subset.name for subset in subsets]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"subsets: {repeated} appear more than once. Give each subset a name of its own.")
        return subsets

    @property
    def parts(self) -> dg.DynamicPartitionsDefinition:
        """The partitions of this dataset: one per published file, filled by discovery."""
        return dg.DynamicPartitionsDefinition(name=f"{self.name}_parts")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 (Dagster's signature)
        """The assets, checks, jobs and sensor of this dataset."""
        parts, minimum_side_px = self.parts, self.expectations.minimum_side_px
        metadata_group, analysis_group = f"{self.name}_metadata", f"{self.name}_analysis"

        layers = {
            "sources": [raw_metadata(self.name, source=self.source, parts=parts, group=metadata_group)],
            "metadata": [
                *metadata_assets(
                    self.name,
                    columns=self.columns,
                    expectations=self.expectations,
                    rules=self.rules,
                    sample_seed=self.sample.seed,
                    parts=parts,
                    group=metadata_group,
                ),
                *duplicate_assets(self.name, group=metadata_group),
            ],
            "probes": [
                *probe_assets(
                    self.name,
                    sample=self.sample,
                    probe=self.probe,
                    minimum_side_px=minimum_side_px,
                    parts=parts,
                    group=analysis_group,
                ),
                link_health(
                    self.name, panel=self.panel, probe=self.probe, sample_seed=self.sample.seed, group=analysis_group
                ),
            ],
            "statistics": statistics_assets(
                self.name,
                title=self.title,
                requirement=self.requirement,
                minimum_side_px=minimum_side_px,
                parts=parts,
                group=analysis_group,
            ),
            "subsets": [],
            "shards": [],
        }
        checks = [
            *metadata_checks(
                self.name,
                expectations=self.expectations,
                rules=self.rules,
                parts=parts,
                drift_condition=once_requested_parts_are_in([dg.AssetKey([self.name, "metadata_profile"])]),
            ),
            *probe_checks(
                self.name,
                minimum_side_px=minimum_side_px,
                edges_px=self.requirement.edges_px,
                condition=joins_its_asset(),
            ),
        ]
        for subset in self.subsets:
            group = f"{self.name}_{subset.name}"
            layers["subsets"] += subset_assets(
                self.name,
                subset,
                keeping=subset.shards.keeping(minimum_side_px),
                expected_parts=self.expectations.parts,
                parts=parts,
                group=group,
            )
            layers["shards"] += shard_assets(
                self.name,
                subset,
                spec=subset.shards,
                minimum_side_px=minimum_side_px,
                parts=parts,
                group=group,
            )
            checks += shard_checks(self.name, subset, spec=subset.shards, minimum_side_px=minimum_side_px, parts=parts)
        assets = [asset for layer, made in layers.items() for asset in with_tags(made, layer=layer)]
        jobs = dataset_jobs(self.name, assets=assets, subsets=[subset.name for subset in self.subsets], parts=parts)
        return dg.Definitions(
            assets=with_upkeep(assets, parts=parts),
            asset_checks=checks,
            jobs=jobs.all(),
            schedules=[
                weekly_link_health(self.name, jobs.link_health, weeks=panel_weeks(self.panel)),
                monthly_refresh(self.name, jobs.parts, parts=parts),
            ],
            sensors=[
                discovery_sensor(self.name, source=self.source, parts=parts, job=jobs.parts),
                upkeep_sensor(
                    f"{self.name}_automation",
                    keys=[spec.key for asset in assets for spec in asset.specs],
                    description=f"Keeps what is downstream of the parts of {self.name} up to date: per part as each "
                    "comes in; sample, probes, report and plans once the requested parts are in. What is not made when "
                    "it is switched on is made then, once. Never downloads.",
                ),
            ],
        )
