"""What is passed on of the runs that a command makes."""

import sys
from pathlib import Path

import dagster as dg

from laion_assets.lake.lake import Lake
from laion_assets.pipeline import Pipeline, Work

CHILD = (
    "from dagster_pipes import open_dagster_pipes\nwith open_dagster_pipes() as pipes: pipes.log.info('from a process')"
)


@dg.asset
def talks(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    context.log.info("from an asset")
    client = dg.PipesSubprocessClient()
    return client.run(context=context, command=[sys.executable, "-c", CHILD]).get_materialize_result()


def test_what_assets_and_their_processes_say_is_passed_on_and_nothing_of_how_they_were_started(tmp_path: Path) -> None:
    definitions = dg.Definitions(assets=[talks], jobs=[dg.define_asset_job("job", [talks])])
    said: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        pipeline = Pipeline(definitions, instance=instance, lake=Lake(str(tmp_path)))
        pipeline.run(Work("job"), on_message=said.append)
        told = [entry.user_message for entry in instance.all_logs(instance.get_runs()[0].run_id)]
    assert said == ["from an asset", "from a process"]
    assert any(one.startswith("[pipes] ") for one in told)
