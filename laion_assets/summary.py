"""The screenful that ends a demo: what was found, where it lies, how to look at it in the UI.

Every number is read from what the assets wrote; nothing is computed here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from laion_assets.home import Home
from laion_assets.lake.lake import Lake
from laion_assets.statistics.document import Share, Statistics


def print_summary(
    lake: Lake, home: Home, console: Console, *, dataset: str, subset: str, results: Sequence[str]
) -> None:
    """Print what the assets of a dataset and of one of its subsets found."""
    found = Statistics.model_validate_json(
        lake.read_bytes(lake.uri([dataset, "resolution_statistics"], "statistics.json"))
    )
    plan: Mapping[str, Any] = lake.read_json(lake.uri([dataset, subset, "plan"], "plan.json"))
    manifest: Mapping[str, Any] = lake.read_json(lake.uri([dataset, subset, "index"], "manifest.json"))

    console.print("\n[bold]What it found[/bold]")
    _print(console, [*_dataset_lines(found), *_anomaly_lines(found), *_subset_lines(subset, plan, manifest)])
    console.print("\n[bold]Where it lies[/bold]")
    lines = [(_shown(home.folder / name), _ABOUT[name.rsplit(".", 1)[-1]]) for name in results]
    shards = Path(lake.base_uri) / dataset / subset
    lines += [
        (_shown(shards / "shards"), f"{len(manifest['shards'])} shards, img2dataset's format"),
        (_shown(shards), "dataset card, Croissant metadata, shard lists; in index a manifest with checksums"),
    ]
    _print(console, lines)
    console.print("\n[bold]The same runs in the Dagster UI[/bold]\n  make dev, then open http://127.0.0.1:3000")


_ABOUT = {
    "html": "the report: open it in a browser",
    "png": "the analysis picture",
    "csv": "one row per sampled URL",
    "json": "every figure of the report",
    "md": "the report as text",
}


def _dataset_lines(found: Statistics) -> list[tuple[str, str]]:
    coverage, reach = found.coverage, found.reach
    judged = (
        f"{coverage.rows_valid:,} valid, {coverage.rows_quarantined:,} quarantined, {coverage.sample_rows:,} probed"
    )
    lines = [("rows", f"{coverage.rows_in:,} in {coverage.parts} parts: {judged}")]
    if reach is not None:
        lines.append(("links that still give an image", _percent(reach.reachable)))
    return lines


def _anomaly_lines(found: Statistics) -> list[tuple[str, str]]:
    label = found.anomaly.label
    historical, short_side = found.anomaly.historical.declared_sample, found.anomaly.short_side.declared_sample
    lines = []
    if historical is not None and short_side is not None:
        lines.append(
            (f'"{label}" by the old buckets', f"{_percent(historical)}; by the short side {_percent(short_side)}")
        )
    lines += [(f"  {kind.kind}", f"{_percent(kind.share)} of {kind.of} rows") for kind in found.anomaly.kinds]
    return lines


def _subset_lines(subset: str, plan: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    images, megabytes = plan["images"], manifest["tar_bytes"] / 1e6
    predicted = f"predicted {images['estimate']:,.0f}, {images['low']:,.0f} to {images['high']:,.0f}"
    return [
        (f"subset {subset}", f"{manifest['rows']:,} rows planned, {manifest['images']:,} images ({predicted})"),
        ("  stored", f"{megabytes:,.0f} MB in {len(manifest['shards'])} shards"),
        ("  not stored", ", ".join(f"{word} {count:,}" for word, count in _others(manifest["outcomes"]))),
    ]


def _others(outcomes: Mapping[str, int], most: int = 5) -> list[tuple[str, int]]:
    others = sorted(((word, count) for word, count in outcomes.items() if word != "ok"), key=lambda one: -one[1])
    rest = sum(count for _, count in others[most:])
    return others[:most] + ([("other outcomes", rest)] if rest else [])


def _percent(share: Share) -> str:
    if share.estimate is None:
        return "unknown"
    digits = 1 if share.estimate >= 0.01 else 2
    if share.low is None or share.high is None:
        return f"{share.estimate:.{digits}%}"
    return f"{share.estimate:.{digits}%} ({share.low:.{digits}%} to {share.high:.{digits}%})"


def _shown(path: Path) -> str:
    """Relative to where the user stands, when it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _print(console: Console, lines: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in lines) + 2
    for name, text in lines:
        console.print(f"  {escape(name):<{width}}{escape(text)}", highlight=False, soft_wrap=True)
