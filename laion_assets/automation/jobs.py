"""The jobs of a dataset: what is launched together, for one part or for the whole.

Every job runs its steps in one process: a step costs 0.2 s there and 1.5 to 4 s in a process of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg


@dataclass(frozen=True)
class DatasetJobs:
    """The jobs of one dataset, in the order a person would launch them."""

    parts: dg.ExecutableDefinition
    """Per part: fetch, validate, profile, and select the rows of every subset."""
    analysis: dg.ExecutableDefinition
    """Whole dataset: sample, probe, statistics, and the plan of every subset."""
    shards: tuple[dg.ExecutableDefinition, ...]
    """One per subset, per part: download into webdataset shards."""
    indexes: tuple[dg.ExecutableDefinition, ...]
    """One per subset, whole dataset: the index of its shards."""

    def all(self) -> list[dg.ExecutableDefinition]:
        """Every job."""
        return [self.parts, self.analysis, *self.shards, *self.indexes]


def job_name(dataset: str, *words: str) -> str:
    """``laion_hr_parts``, ``laion_hr_analysis``, ``laion_hr_vlm_1024_shards``."""
    return "_".join([dataset, *words])


def dataset_jobs(
    dataset: str,
    *,
    parts: dg.PartitionsDefinition,
    part_assets: Sequence[dg.AssetKey],
    whole_assets: Sequence[dg.AssetKey],
    subsets: Sequence[str],
) -> DatasetJobs:
    """Define the jobs of a dataset over its assets and the checks on them."""

    def job(
        *words: str, keys: Sequence[dg.AssetKey], description: str, per_part: bool
    ) -> dg.ExecutableDefinition:
        selection = dg.AssetSelection.assets(*keys)
        return dg.define_asset_job(
            job_name(dataset, *words),
            selection=selection,
            partitions_def=parts if per_part else None,
            description=description,
            executor_def=dg.in_process_executor,
            tags={"laion_assets/dataset": dataset},
        )

    return DatasetJobs(
        parts=job(
            "parts",
            keys=part_assets,
            description=f"One part of {dataset}: fetch, validate, profile, and select the rows of every subset.",
            per_part=True,
        ),
        analysis=job(
            "analysis",
            keys=whole_assets,
            description=f"All materialised parts of {dataset}: sample, probe, statistics, and the plan of every subset.",
            per_part=False,
        ),
        shards=tuple(
            job(
                subset,
                "shards",
                keys=[dg.AssetKey([dataset, subset, "shards"])],
                description=f"One part of {dataset}/{subset}: download its rows into webdataset shards.",
                per_part=True,
            )
            for subset in subsets
        ),
        indexes=tuple(
            job(
                subset,
                "index",
                keys=[dg.AssetKey([dataset, subset, "index"])],
                description=f"The index, manifest and dataset card of the shards of {dataset}/{subset}.",
                per_part=False,
            )
            for subset in subsets
        ),
    )
