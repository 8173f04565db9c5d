"""The jobs of a dataset: what is launched together, for one part or for the whole.

Downloading is always a job of its own: nobody should start terabytes by launching an analysis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import PRIORITY_TAG

from laion_assets.metadata.checks import PART_DRIFT

Job = UnresolvedAssetJobDefinition

DATASET_TAG = "laion_assets/dataset"
_NO_TAGS: Mapping[str, str] = MappingProxyType({})
# Days of downloads may be queued, and they share a pool with probes that take minutes.
_LETS_OTHERS_PASS = {PRIORITY_TAG: "-1"}


@dataclass(frozen=True)
class DatasetJobs:
    """The jobs of one dataset, in the order a person would launch them."""

    parts: Job
    """Per part: fetch, validate, profile, and select the rows of every subset."""
    analysis: Job
    """Whole dataset: sample, probe, statistics, and the plan of every subset."""
    link_health: Job
    """Per week: the panel probed again."""
    shards: tuple[Job, ...]
    """One per subset, per part: download into webdataset shards."""
    indexes: tuple[Job, ...]
    """One per subset, whole dataset: the index of its shards."""

    def all(self) -> list[Job]:
        """Every job."""
        return [self.parts, self.analysis, self.link_health, *self.shards, *self.indexes]


def job_name(dataset: str, *words: str) -> str:
    """``laion_hr_parts``, ``laion_hr_analysis``, ``laion_hr_vlm_1024_shards``."""
    return "_".join([dataset, *words])


def dataset_jobs(
    dataset: str, *, assets: Sequence[dg.AssetsDefinition], subsets: Sequence[str], parts: dg.PartitionsDefinition
) -> DatasetJobs:
    """Define the jobs of a dataset over its assets and the checks on them.

    Args:
        dataset: prefix of the assets' keys and of the jobs' names.
        assets: all assets of the dataset.
        subsets: names of its subsets; downloading is a job of its own for each.
        parts: the dataset's partitions.
    """
    apart = {dg.AssetKey([dataset, subset, last]) for subset in subsets for last in ("shards", "index")}
    together = [spec for asset in assets for spec in asset.specs if spec.key not in apart]

    profile = dg.AssetKey([dataset, "metadata_profile"])
    # It reads the profiles of all parts: once with the analysis, not once more with each part.
    drift = dg.AssetSelection.checks(dg.AssetCheckKey(profile, PART_DRIFT))

    def job(*words: str, selection: dg.AssetSelection, description: str, tags: Mapping[str, str] = _NO_TAGS) -> Job:
        return dg.define_asset_job(
            job_name(dataset, *words),
            selection=selection,
            description=description,
            tags={DATASET_TAG: dataset, **tags},
        )

    return DatasetJobs(
        parts=job(
            "parts",
            selection=dg.AssetSelection.assets(*(spec.key for spec in together if spec.partitions_def == parts))
            - drift,
            description=f"One part of {dataset}: fetch, validate, profile, and select the rows of every subset.",
        ),
        analysis=job(
            "analysis",
            selection=dg.AssetSelection.assets(*(spec.key for spec in together if spec.partitions_def is None)) | drift,
            description=f"All materialised parts of {dataset}: sample, probes, statistics, plans of the subsets.",
        ),
        link_health=job(
            "link_health",
            selection=dg.AssetSelection.assets(dg.AssetKey([dataset, "link_health"])),
            description=f"One week of {dataset}: the panel of the sample probed again.",
        ),
        shards=tuple(
            job(
                subset,
                "shards",
                selection=dg.AssetSelection.assets(dg.AssetKey([dataset, subset, "shards"])),
                description=f"One part of {dataset}/{subset}: download its rows into webdataset shards.",
                tags=_LETS_OTHERS_PASS,
            )
            for subset in subsets
        ),
        indexes=tuple(
            job(
                subset,
                "index",
                selection=dg.AssetSelection.assets(dg.AssetKey([dataset, subset, "index"])),
                description=f"The index, manifest and dataset card of the shards of {dataset}/{subset}.",
            )
            for subset in subsets
        ),
    )
