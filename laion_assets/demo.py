"""The main job on the embedded default: the whole chain on the sandbox, and a screenful of what it found.

Nothing here is special to the demo but the sandbox it starts and the summary it prints: the definitions, the jobs and
the instance are those of the UI.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.markup import escape

from laion_assets.comparison.assets import JOB as COMPARISON_JOB
from laion_assets.home import Home
from laion_assets.lake.lake import Lake
from laion_assets.pipeline import Pipeline, RunFailedError, Work
from laion_assets.sandbox.spec import SandboxError, SandboxSpec
from laion_assets.sources.published import SourceError
from laion_assets.statistics.display import pluralize
from laion_assets.summary import print_summary
from laion_assets.terminal import Display, Stage, stderr_into

DATASET = "laion_hr"
SUBSET = "vlm_1024"
RESULTS = (
    "report.html",
    f"{DATASET}_analysis.png",
    f"{DATASET}_sample_analysis.csv",
    "statistics.json",
    "report.md",
)
LOG = "demo.log"
INTERRUPTED_EXIT_CODE = 130


def run_demo(home: Home, console: Console, *, spec: SandboxSpec | None = None) -> int:
    """Run what is not up to date of the whole chain, then print what was found.

    Args:
        home: where everything lies.
        console: where it is told.
        spec: the sandbox to run on; none means the default one.

    Returns:
        The exit code: 0, 1 when a run failed or the sandbox could not start, 130 when interrupted.
    """
    from laion_assets.sandbox.process import start_sandbox

    console.print("[bold]laion-assets demo[/bold]: the whole chain, on a small internet of its own\n")
    display = Display(console)
    try:
        with contextlib.ExitStack() as stack:
            with display.stage("start the sandbox") as stage:
                sandbox = stack.enter_context(start_sandbox(spec or SandboxSpec(), cache=home.sandbox_cache))
                stage.conclude(f"hub at {sandbox.hub_url}, {sandbox.spec.hosts} web hosts on port {sandbox.web_port}")
            home.enter(sandbox.environment)
            with stderr_into(home.folder / LOG):
                lake = _materialise(home, display)
    except (RunFailedError, SandboxError, SourceError) as error:
        console.print(f"\n[red]{escape(str(error))}[/red]", soft_wrap=True)
        console.print(
            f"Fix that, then run it again: what is done is kept. Details: {home.folder / LOG}", soft_wrap=True
        )
        return 1
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        console.print("\nInterrupted. Run it again: what is done is kept.")
        return INTERRUPTED_EXIT_CODE
    print_summary(lake, home, console, dataset=DATASET, subset=SUBSET, results=RESULTS)
    return 0


def _materialise(home: Home, display: Display) -> Lake:
    with display.stage("load the definitions") as stage:
        from laion_assets.definitions import defs
        from laion_assets.registration import datasets, register_parts

        definitions = defs()
        stage.conclude(f"{len(definitions.resolve_asset_graph().get_all_asset_keys())} assets")
    lake = Lake(os.environ["LAION_ASSETS_LAKE"])
    with dg.DagsterInstance.get() as instance:
        pipeline = Pipeline(definitions, instance=instance, lake=lake)
        pipeline.close_abandoned_runs()
        with display.stage("discover the parts") as stage:
            dataset = next(one for one in datasets(definitions) if one.name == DATASET)
            listing = register_parts(dataset, instance)
            published = {part.key: part.sha256 or "" for part in listing.parts}
            stage.conclude(f"{len(published)} parts at revision {(listing.revision or 'unknown')[:12]}")
        keys = sorted(published)
        for title, works in _stages(keys):
            _run(pipeline, display, title, works, published)
    _copy_results(lake, home.folder)
    return lake


def _stages(parts: Sequence[str]) -> list[tuple[str, list[Work]]]:
    return [
        ("fetch and validate parts", [Work(f"{DATASET}_parts", part) for part in parts]),
        ("sample, probe, report", [Work(f"{DATASET}_analysis")]),
        ("download shards", [Work(f"{DATASET}_{SUBSET}_shards", part) for part in parts]),
        ("index and compare", [Work(f"{DATASET}_{SUBSET}_index"), Work(COMPARISON_JOB)]),
    ]


def _run(pipeline: Pipeline, display: Display, title: str, works: Sequence[Work], published: Mapping[str, str]) -> None:
    needed = pipeline.needed(works, data_versions=published)
    with display.stage(title, units=len(works)) as stage:
        stage.advance(len(works) - len(needed))
        for work in needed:
            pipeline.run(work, on_message=_speaker(stage, work))
            stage.advance()
        reused = len(works) - len(needed)
        runs = f"{len(needed)} {pluralize('run', len(needed))}"
        stage.conclude(f"{runs}, {reused} reused" if reused else runs)


def _speaker(stage: Stage, work: Work) -> Callable[[str], None]:
    # Messages of an asset mostly name its part already.
    prefix = f"{work.part}: " if work.part else ""
    return lambda message: stage.say(prefix + message.removeprefix(prefix))


def _copy_results(lake: Lake, folder: Path) -> None:
    for name in RESULTS:
        with lake.local_file(lake.uri([DATASET, "resolution_statistics"], name)) as path:
            scratch = folder / f".{name}.tmp"
            shutil.copyfile(path, scratch)
            scratch.replace(folder / name)
