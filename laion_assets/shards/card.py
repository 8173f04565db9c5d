"""The dataset card: a README.md with the front matter the Hugging Face hub reads, for the folder of one subset.

Every figure is computed, and conditions are in the words of the subset; no caption, URL or header of the web ever
appears in it, nor any path of the machine that wrote it.
"""

import json
from collections.abc import Mapping, Sequence

import polars as pl

from laion_assets.shards.index import Index
from laion_assets.shards.reckoning import Reckoned
from laion_assets.shards.spec import SUFFIXES
from laion_assets.subsets.spec import LANGUAGES_STEP, SIMILARITY, SubsetSpec

_DUPLICATES = {
    "keep": "kept",
    "drop_same_row": "of rows with the same URL and caption, the first",
    "drop_same_url": "of rows with the same URL, the first",
}
_MOST_HOSTS = 10


def size_category(images: int) -> str:
    """The hub's word for how large a dataset is: ``1K<n<10K``."""
    steps = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    steps += [(10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B")]
    return next((word for limit, word in steps if images < limit), "n>1B")


def dataset_card(
    index: Index,
    dataset: str,
    subset: SubsetSpec,
    columns: Mapping[str, pl.DataType],
    *,
    minimum_side_px: int,
    maximum_aspect: float | None = None,
    opt_out_words: Sequence[str] = (),
    reckoned: Sequence[Reckoned] = (),
) -> str:
    """Write the card.

    Args:
        index: the shards.
        dataset: the dataset's name.
        subset: how its rows were chosen.
        columns: columns of the shards' parquet files, with their types: what the JSON of a sample holds.
        minimum_side_px: the true short side every image has.
        maximum_aspect: the true long side over the short one that none exceeds; None if any is taken.
        opt_out_words: words of ``X-Robots-Tag`` that are obeyed.
        reckoned: how the plan compares with what came.
    """
    front = {
        "pretty_name": f"{dataset} {subset.name}",
        "license": "unknown",
        "size_categories": [size_category(index.images)],
        "task_categories": ["text-to-image", "image-to-text"],
        "tags": ["webdataset", "image-text", "laion-assets"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "shards/*/*.tar"}]}],
        "dataset_info": {"features": hub_features(columns)},
    }
    # JSON is YAML, and quotes by itself whatever needs quoting.
    lines = "\n".join(f"{name}: {json.dumps(value)}" for name, value in front.items())
    conditions = [*_conditions(subset), f"| true short side | at least {minimum_side_px} px |"]
    if maximum_aspect is not None:
        conditions.append(f"| true aspect | long side at most {maximum_aspect:g} times the short one |")
    words = ", ".join(f"`{_code(word)}`" for word in opt_out_words)
    left_out = f" Publishers whose `X-Robots-Tag` says one of {words} were left out." if words else ""
    images = index.images or 1
    return f"""---
{lines}
---

# {dataset} / {subset.name}

{subset.description}

{index.images:,} images with captions in {sum(1 for entry in index.entries if entry.stats.successes):,} webdataset \
shards, {index.tar_bytes / 1e9:,.2f} GB, from {index.rows:,} planned rows of {len(index.parts):,} parts. \
Images: {", ".join(f"{name} {count / images:.1%}" for name, count in index.formats().items()) or "none"}.

## Use

```python
import io
import webdataset
from PIL import Image

SUFFIXES = {json.dumps(suffixes())}


def decode(name, data):
    return Image.open(io.BytesIO(data)).convert("RGB") if name.rsplit(".", 1)[-1] in SUFFIXES else None


shards = open("shards.txt").read().split()
samples = webdataset.WebDataset(shards, shardshuffle=100).decode(decode)
images = samples.to_tuple(";".join(SUFFIXES), "txt", "json")
```

```python
import os
from datasets import load_dataset

SUFFIXES = {json.dumps(suffixes())}


def image(sample):  # a column per format, one of them filled
    return next(sample[suffix] for suffix in SUFFIXES if sample[suffix] is not None)


samples = load_dataset(os.getcwd(), split="train", streaming=True)
images = ((image(sample), sample["txt"], sample["json"]) for sample in samples)
```

`wids.json` gives random access with `wids.ShardListDataset("wids.json")`. `index/manifest.json` has the sha256 of \
every tar and parquet. Beside each tar a parquet says how every planned row ended: columns `status`, `error_message` \
and `outcome`.

## How the rows were chosen

| condition | |
|---|---|
{chr(10).join(conditions)}

## How downloads ended

| outcome | tries | share |
|---|---:|---:|
{_table(index.outcomes())}
{_plan(reckoned)}
The images belong to their publishers and have licences of their own.{left_out}
"""


def _conditions(subset: SubsetSpec) -> list[str]:
    """Rows of a table: what decided about a row before anything was downloaded."""
    lines = [
        f"| {name} | `{_code(sql)}`{' or unknown' if name in subset.nulls_pass else ''} |"
        for name, sql in subset.where.items()
    ]
    if subset.languages:
        unknown = " or unknown" if LANGUAGES_STEP in subset.nulls_pass else ""
        lines.append(f"| languages | `{_code(json.dumps(subset.languages))}` (least similarity){unknown} |")
    if subset.exclude_hosts:
        lines.append(f"| excluded hosts, with their subdomains | {_few(subset.exclude_hosts)} |")
    if subset.exclude_url_hashes is not None:
        lines.append("| excluded URLs | those on a list of hashes |")
    lines.append(f"| duplicates | {_DUPLICATES[subset.duplicates]} |")
    if subset.cap is not None:
        best = f"those with the highest `{subset.cap.best_by}`" if subset.cap.best_by else "chosen uniformly"
        if subset.cap.best_by == SIMILARITY and any(subset.languages.values()):
            best += " above the least one of their language"
        lines.append(f"| cap | at most {subset.cap.rows:,} rows over all parts, {best} |")
    return lines


def _few(hosts: Sequence[str]) -> str:
    named = ", ".join(f"`{_code(host)}`" for host in hosts[:_MOST_HOSTS])
    return f"{named} and {len(hosts) - _MOST_HOSTS:,} more" if len(hosts) > _MOST_HOSTS else named


def _table(outcomes: Mapping[str, int]) -> str:
    tries = sum(outcomes.values()) or 1
    return "\n".join(f"| {word} | {count:,} | {count / tries:.2%} |" for word, count in outcomes.items())


def _plan(reckoned: Sequence[Reckoned]) -> str:
    """What was planned and what came; without hours, so that the same shards have the same card."""
    lines = [
        f"| {one.figure} | {one.planned.estimate:,.0f} | {one.planned.low:,.0f} to {one.planned.high:,.0f} "
        f"| {one.actual:,.0f} | {f'{one.off_by:+.1%}' if one.off_by is not None else ''} |"
        for one in reckoned
        if one.figure != "hours"
    ]
    if not lines:
        return ""
    head = "| | planned | 95 % interval | came | off by |\n|---|---:|---|---:|---:|"
    return "\n".join(["", "## What was planned, and what came", "", head, *lines, ""])


def suffixes() -> tuple[str, ...]:
    """Every suffix an image in a tar may have."""
    return tuple(SUFFIXES.values())


def hub_features(columns: Mapping[str, pl.DataType]) -> list[dict[str, object]]:
    """Columns for the ``datasets`` library, which would otherwise take the first samples' formats for all there are."""
    images: list[dict[str, object]] = [{"name": suffix, "dtype": "image"} for suffix in suffixes()]
    told = [{"name": name, "dtype": _hub_type(dtype)} for name, dtype in columns.items()]
    texts: list[dict[str, object]] = [{"name": name, "dtype": "string"} for name in ("txt", "__key__", "__url__")]
    return [*images, {"name": "json", "struct": told}, *texts]


def _hub_type(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean():
        return "bool"
    return str(dtype).lower() if dtype.is_integer() or dtype.is_float() else "string"


def _code(text: str) -> str:
    """For a table cell in a code span."""
    return " ".join(text.replace("`", "'").replace("|", "\\|").split())
