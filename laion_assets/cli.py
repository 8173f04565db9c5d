"""The command line: ``laion-assets demo | analyze | dev | sandbox``.

Parses, calls, prints one sentence when something cannot be done. The work is elsewhere.
"""

import os
import shlex
import sys
from pathlib import Path

import click
from rich.console import Console

from laion_assets.home import NO_PHONING_HOME, Home


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="laion-assets")
def main() -> None:
    """Turn web-scale image-text metadata into training sets people can trust."""
    os.environ.update(NO_PHONING_HOME)


@main.command()
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for results, lake and Dagster instance.",
)
def demo(home: Path) -> None:
    """Run the whole chain for LAION-High-Resolution on the sandbox, from published part to webdataset shards."""
    from laion_assets.demo import run_demo

    sys.exit(run_demo(Home(home.resolve()), Console(highlight=False)))


@main.command()
@click.argument("source")
@click.option(
    "--sample",
    default=10_000,
    show_default=True,
    type=click.IntRange(1, 5_000_000),
    help="Rows to probe; more later reuses what is known.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Another seed draws other rows.")
@click.option(
    "--requirement",
    default=1024,
    show_default=True,
    type=click.IntRange(1, 65_500),
    help="Side in px that images must have.",
)
@click.option("--declared-only", is_flag=True, help="Do not ask the web: report what the metadata declares.")
@click.option(
    "--columns",
    multiple=True,
    metavar="NAME=COLUMN,…",
    help="Where guessing is wrong: url=…,caption=…,width=…; url=#1 is the first column of a file without a header.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder for the results and what they are made from.  [default: analysis/<name of the source>]",
)
def analyze(
    *,
    source: str,
    sample: int,
    seed: int,
    requirement: int,
    declared_only: bool,
    columns: tuple[str, ...],
    out: Path | None,
) -> None:
    """Report on the images behind any table of links.

    SOURCE is a parquet, CSV, TSV or JSON lines file, a folder of them, hf://datasets/<repo>, s3://bucket/…, or
    https://….
    """
    from laion_assets.analyze.command import run_analyze

    sys.exit(
        run_analyze(
            source,
            Console(highlight=False),
            sample=sample,
            seed=seed,
            requirement_px=requirement,
            declared_only=declared_only,
            columns=columns,
            out=out,
        )
    )


@main.command()
@click.option(
    "--source", default=None, help="Where the real parts are: hf://datasets/<repo>, s3://, https://, a folder."
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder for lake and Dagster instance.  [default: demo with the sandbox, home with a source]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address the UI listens on.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Port of the UI.")
def dev(source: str | None, home: Path | None, host: str, port: int) -> None:
    """Open the Dagster UI, with the sandbox beside it unless a source is given."""
    from laion_assets.dev import run_dev

    folder = home or Path("home" if source else "demo")
    sys.exit(run_dev(Home(folder.resolve()), Console(highlight=False), source=source, host=host, port=port))


@main.command()
@click.option("--seed", default=0, show_default=True, help="Another seed is another internet.")
@click.option("--parts", default=4, show_default=True, type=click.IntRange(1, 10_000), help="Published parts.")
@click.option("--rows-per-part", default=8000, show_default=True, type=click.IntRange(1), help="Rows in each part.")
@click.option("--port", default=18080, show_default=True, help="First of four ports; 0 takes any free ones.")
@click.option("--no-faults", is_flag=True, help="Every link works and tells the truth.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo/sandbox"),
    show_default=True,
    help="Folder for generated files, reused by the next start.",
)
def sandbox(*, seed: int, parts: int, rows_per_part: int, port: int, no_faults: bool, cache: Path) -> None:
    """Serve a small internet on loopback: a metadata hub, an image web with real faults, a name server."""
    from laion_assets.sandbox.process import RunningSandbox, serve_sandbox
    from laion_assets.sandbox.spec import SandboxError, SandboxSpec

    def introduce(running: RunningSandbox) -> None:
        click.echo(f"Hub and truth: {running.hub_url}\nWeb:           port {running.web_port}\n\nPoint a shell at it:")
        for name, value in running.environment.items():
            click.echo(f"  export {name}={shlex.quote(value)}")
        click.echo("\nCtrl-C stops it.")

    spec = SandboxSpec(seed=seed, parts=parts, rows_per_part=rows_per_part, port=port, faults=not no_faults)
    try:
        serve_sandbox(spec, cache=cache.resolve(), on_ready=introduce, progress=click.echo)
    except SandboxError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
