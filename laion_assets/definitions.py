"""The code location: loads ``defs/``, adds resources. Nothing else."""

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import dagster as dg
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType

from laion_assets import defs as defs_folder
from laion_assets.automation.alarm import Alarm, failure_sensor
from laion_assets.automation.asset_tags import with_tags
from laion_assets.automation.conditions import follows_any_dataset
from laion_assets.automation.sensors import upkeep_sensor
from laion_assets.comparison.assets import ASSET as COMPARISON
from laion_assets.comparison.assets import comparison_job, dataset_comparison
from laion_assets.dataset import ImageTextDataset
from laion_assets.interrupts import keep_interrupts
from laion_assets.lake.resource import LakeResource
from laion_assets.previews import accept_features
from laion_assets.run_processes import start_runs_warm
from laion_assets.web.resource import WebResource

LAKE_VARIABLE = "LAION_ASSETS_LAKE"
PAGES_VARIABLE = "LAION_ASSETS_PAGES"


def lake_resource() -> LakeResource:
    """The lake of ``LAION_ASSETS_LAKE``, or ``./lake``; ``LAION_ASSETS_PAGES`` is where its pages are served."""
    return LakeResource(
        base_uri=os.environ.get(LAKE_VARIABLE) or "lake", pages_url=os.environ.get(PAGES_VARIABLE) or ""
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Every dataset under ``defs/``, their comparison, and the resources they share."""
    loaded_for = DefinitionsLoadContext.get().load_type if DefinitionsLoadContext.is_set() else None
    # Dagster loads them twice in every run.
    if loaded_for is DefinitionsLoadType.RECONSTRUCTION:
        return _defs_of_run()
    return _defs(with_component_docs=loaded_for is DefinitionsLoadType.INITIALIZATION)


@functools.cache
def _defs_of_run() -> dg.Definitions:
    return _defs(with_component_docs=False)


def _defs(*, with_component_docs: bool) -> dg.Definitions:
    """The definitions.

    Args:
        with_component_docs: describe every installed component type as well, which is what the UI's page of the code
            location shows, and half of the time that loading takes.
    """
    accept_features()
    keep_interrupts()
    start_runs_warm()
    tree = dg.ComponentTree.from_module(defs_module=defs_folder, project_root=Path(__file__).parent.parent)
    datasets = [component.name for component in tree.get_all_components(of_type=ImageTextDataset)]
    [comparison] = with_tags([dataset_comparison(datasets)], layer="comparison")
    figures = [dg.AssetKey([dataset, "resolution_statistics"]) for dataset in datasets]
    return dg.Definitions.merge(
        tree.build_defs(None if with_component_docs else tree.defs_module_path),
        dg.Definitions(
            assets=[
                comparison.map_asset_specs(
                    lambda spec: spec.merge_attributes(metadata=_written_at(dataset_comparison)).replace_attributes(
                        automation_condition=follows_any_dataset(figures)
                    )
                )
            ],
            jobs=[comparison_job()],
            sensors=[
                upkeep_sensor(
                    "comparison_automation",
                    keys=[dg.AssetKey(COMPARISON)],
                    description="Compares the datasets anew when one has new figures.",
                ),
                failure_sensor(),
            ],
            resources={
                "alarm": Alarm(),
                "lake": lake_resource(),
                "web": WebResource.from_environment(),
                "pipes": dg.PipesSubprocessClient(),
            },
            # A step costs 0.2 s in the process of its run and 1.5 to 4 s in one of its own.
            executor=dg.in_process_executor,
            # What is described comes with its tree.
            component_tree=None if with_component_docs else tree,
        ),
    )


def _written_at(made_by: Callable[..., dg.AssetsDefinition]) -> Mapping[str, dg.CodeReferencesMetadataValue]:
    """Where the UI leads from an asset; of what defs.yaml describes Dagster notes it by itself."""
    code = made_by.__code__
    return {
        "dagster/code_references": dg.CodeReferencesMetadataValue(
            code_references=[dg.LocalFileCodeReference(file_path=code.co_filename, line_number=code.co_firstlineno)]
        )
    }
