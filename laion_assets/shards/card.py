"""The dataset card: a README.md with the front matter the Hugging Face hub reads, for the folder of one subset.

Every figure is computed; no caption, URL or header of the web ever appears in it.
"""

import json
from collections.abc import Mapping

from laion_assets.shards.index import Index
from laion_assets.shards.spec import SUFFIXES
from laion_assets.subsets.spec import SubsetSpec


def size_category(images: int) -> str:
    """The hub's word for how large a dataset is: ``1K<n<10K``."""
    steps = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    steps += [(10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B")]
    return next((word for limit, word in steps if images < limit), "n>1B")


def dataset_card(index: Index, dataset: str, subset: SubsetSpec, *, minimum_side_px: int) -> str:
    """Write the card.

    Args:
        index: the shards.
        dataset: the dataset's name.
        subset: how its rows were chosen.
        minimum_side_px: the true short side every image has.
    """
    front = {
        "pretty_name": f"{dataset} {subset.name}",
        "size_categories": [size_category(index.images)],
        "task_categories": ["text-to-image", "image-to-text"],
        "tags": ["webdataset", "image-text", "laion-assets"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "shards/*/*.tar"}]}],
    }
    # JSON is YAML, and quotes by itself whatever needs quoting.
    lines = "\n".join(f"{name}: {json.dumps(value)}" for name, value in front.items())
    conditions = [f"| {name} | `{_code(sql)}` |" for name, sql in subset.where.items()]
    if subset.languages:
        conditions.append(f"| languages | `{_code(json.dumps(subset.languages))}` (least similarity) |")
    conditions.append(f"| true short side | at least {minimum_side_px} px |")
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
import webdataset as wds

shards = open("shards.txt").read().split()
images = wds.WebDataset(shards, shardshuffle=100).decode("pil").to_tuple("{_any_suffix()}", "txt", "json")
```

```python
from datasets import load_dataset

images = load_dataset(".", split="train", streaming=True)
```

`wids.json` gives random access with `wids.ShardListDataset("wids.json")`. `index/manifest.json` has the sha256 of \
every file. Beside each tar a parquet says how every planned row ended: columns `status`, `error_message` and `outcome`.

## How the rows were chosen

| condition | |
|---|---|
{chr(10).join(conditions)}

## How downloads ended

| outcome | tries | share |
|---|---:|---:|
{_table(index.outcomes())}

The images belong to their publishers and have licences of their own; publishers that ask not to be used \
(`X-Robots-Tag: noai`) were left out.
"""


def _table(outcomes: Mapping[str, int]) -> str:
    tries = sum(outcomes.values()) or 1
    return "\n".join(f"| {word} | {count:,} | {count / tries:.2%} |" for word, count in outcomes.items())


def _any_suffix() -> str:
    return ";".join(dict.fromkeys(SUFFIXES.values()))


def _code(text: str) -> str:
    """For a table cell in a code span."""
    return " ".join(text.replace("`", "'").replace("|", "\\|").split())
