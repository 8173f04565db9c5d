"""A dataset that no YAML describes: what it is called, and the assets that analyse it.

The assets are those of every dataset. What is left out is what an analysis does not need: subsets, shards, schedules,
and the checks that hold a publisher to a promise that nobody here made.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

import dagster as dg

from laion_assets.lake.resource import LakeResource
from laion_assets.metadata.assets import metadata_assets
from laion_assets.metadata.spec import ColumnsSpec, ExpectationsSpec, RulesSpec
from laion_assets.probes.assets import probe_assets
from laion_assets.probes.spec import ProbeSpec, SampleSpec
from laion_assets.sources.assets import raw_metadata
from laion_assets.sources.patterns import has_magic
from laion_assets.sources.spec import SourceSpec
from laion_assets.statistics.assets import statistics_assets
from laion_assets.statistics.spec import LARGEST_SIDE_PX, RequirementSpec
from laion_assets.web.resource import WebResource

# What a part's run makes, in the order it is made.
OF_A_PART = ("raw_metadata", "quarantined_metadata", "metadata_profile", "validated_metadata")
PARTS, PROBES, REPORT, DECLARED_REPORT = "parts", "probes", "report", "declared_report"
"""The jobs: per part; sample and probes; what they show; what is declared, of a sample that is not probed."""

_HIGH_SIDE_PX = 2048
# A row is probed and counted without them: a size is not known until the image is asked, a caption is there or is not.
_MAY_BE_MISSING = ("width_missing", "height_missing", "caption_missing", "caption_blank")


@dataclass(frozen=True)
class AdHocDataset:
    """One source and how it is to be analysed.

    Attributes:
        source: Where the parts are.
        columns: What the user said about its columns.
        requirement_px: The side that images must have.
    """

    source: SourceSpec
    columns: ColumnsSpec
    requirement_px: int

    @property
    def place(self) -> str:
        """The source's URI, without what may be somebody's signature."""
        return without_query(self.source.uri)

    @property
    def title(self) -> str:
        """What people would call it: the hub's ``owner/name``, or the name of file or folder."""
        if self.place.startswith("hf://datasets/"):
            return "/".join(self.place.removeprefix("hf://datasets/").split("@")[0].split("/")[:2])
        segments = [one for one in PurePosixPath(self.place.split("://", 1)[-1]).parts if one not in ("/", ".", "..")]
        named = [one for one in segments if not has_magic(one) and "{" not in one]
        return named[-1] if named else self.place

    @property
    def name(self) -> str:
        """Prefix of the asset keys and of the files: the title in small letters, digits and underscores."""
        last = self.title.rsplit("/", 1)[-1]
        stem = re.sub(r"(\.(parquet|csv|tsv|txt|jsonl|ndjson|gz|zst))+\Z", "", last, flags=re.IGNORECASE)
        slug = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")
        return (slug if slug[:1].isalpha() else f"data_{slug}".rstrip("_"))[:63]

    @property
    def parts(self) -> dg.DynamicPartitionsDefinition:
        """One partition per published file."""
        return dg.DynamicPartitionsDefinition(name=f"{self.name}_parts")

    def definitions(self, *, lake: str, sample: SampleSpec, declared_only: bool) -> dg.Definitions:
        """The assets, one job per step, and their resources.

        Args:
            lake: Where the assets keep their files.
            sample: The rows that are probed.
            declared_only: Report on what is declared and do not wait for probes.
        """
        name, parts, group = self.name, self.parts, self.name
        assets = [
            raw_metadata(name, source=self.source, parts=parts, group=group),
            *metadata_assets(
                name,
                columns=self.columns,
                expectations=ExpectationsSpec(minimum_side_px=self.requirement_px),
                rules=RulesSpec(switch_off=list(_MAY_BE_MISSING)),
                sample_seed=sample.seed,
                parts=parts,
                group=group,
            ),
            *probe_assets(
                name,
                sample=sample,
                probe=ProbeSpec(),
                minimum_side_px=self.requirement_px,
                parts=parts,
                group=group,
            ),
            *statistics_assets(
                name,
                title=self.title,
                requirement=RequirementSpec(
                    minimum_side_px=self.requirement_px,
                    minimum_high_side_px=min(max(_HIGH_SIDE_PX, 2 * self.requirement_px), LARGEST_SIDE_PX),
                ),
                minimum_side_px=self.requirement_px,
                parts=parts,
                group=group,
                declared_only=declared_only,
                minimum_is_promised=False,
            ),
        ]
        steps = {
            PARTS: OF_A_PART,
            PROBES: ("dimension_sample", "dimension_probes"),
            REPORT: ("resolution_statistics",),
            DECLARED_REPORT: ("dimension_sample", "resolution_statistics"),
        }
        return dg.Definitions(
            assets=assets,
            jobs=[
                dg.define_asset_job(job, selection=dg.AssetSelection.assets(*([name, each] for each in made)))
                for job, made in steps.items()
            ],
            resources={"lake": LakeResource(base_uri=lake), "web": WebResource.from_environment()},
            executor=dg.in_process_executor,
        )


def without_query(uri: str) -> str:
    """A URI without what stands behind ``?``; a local path may hold one and keeps it."""
    return uri.partition("?")[0] if "://" in uri else uri
