"""docs/shards.md says what is so: its YAML loads, its tables name every field, its commands and examples run."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from pydantic import BaseModel

from laion_assets.dataset import DatasetSubset
from laion_assets.shards.assets import shard_assets
from laion_assets.shards.publish import publish_index
from laion_assets.shards.spec import ResizeSpec, ShardsSpec
from laion_assets.subsets.columns import predicate_schema
from laion_assets.subsets.predicates import PredicateError, parse_predicate
from laion_assets.subsets.spec import PlanSpec, SubsetSpec
from laion_assets_tests.shards.conftest import PART, Downloads, SmallWeb, image_bytes, planned_of

GUIDE = (Path(__file__).parents[2] / "docs" / "shards.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def fields_of_table(head: str) -> set[str]:
    """The first column of the table whose head begins so."""
    (table,) = re.findall(rf"^\| {re.escape(head)} \|.*?\n\n", GUIDE, re.DOTALL | re.MULTILINE)
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def test_the_example_subset_loads_and_is_what_the_guide_says() -> None:
    (text,) = blocks("yaml")
    (written,) = yaml.safe_load(text)["subsets"]
    subset = DatasetSubset.model_validate(written)
    assert [predicate.name for predicate in subset.predicates()] == list(written["where"])
    assert subset.shards.maximum_aspect == 2.5


@pytest.mark.parametrize(
    ("head", "model"),
    [
        ("field", DatasetSubset),
        ("field under `plan`", PlanSpec),
        ("field under `shards`", ShardsSpec),
        ("field under `resize`", ResizeSpec),
    ],
)
def test_every_field_is_in_its_table(head: str, model: type[BaseModel]) -> None:
    assert fields_of_table(head) == set(model.model_fields)


def test_the_refusal_shown_is_the_refusal_made() -> None:
    (shown,) = blocks("text")
    with pytest.raises(PredicateError) as refused:
        parse_predicate("large_enough", "shortside >= 1024", predicate_schema({}))
    assert str(refused.value) == shown.strip()


def test_the_columns_named_are_those_there_are() -> None:
    (sentence,) = re.findall(r"It may name.*?extra_columns", GUIDE, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", sentence)) == set(predicate_schema({})) - {"part", "row"}


def test_the_retry_command_configures_the_op_there_is() -> None:
    (command,) = [line for block in blocks("console") for line in block.splitlines() if "retry" in line]
    config = json.loads(shlex.split(command)[-1])
    parts = dg.StaticPartitionsDefinition(["part-00000"])
    spec = ShardsSpec()
    shards, _ = shard_assets(
        "laion_hr", SubsetSpec(name="vlm_1024"), spec=spec, minimum_side_px=1024, parts=parts, group="g"
    )
    assert list(config["ops"]) == [shards.op.name]
    assert config["ops"][shards.op.name] == {"config": {"retry": True}}


@pytest.fixture
def folder(downloads: Downloads, small_web: SmallWeb) -> Path:
    """A subset's folder with two shards of three images each and one row that failed."""
    downloads.spec = ShardsSpec(rows_per_shard=4)
    formats = ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "JPEG"]
    urls = [small_web.put(f"{index}", image_bytes(1100, 1040, kind)) for index, kind in enumerate(formats)]
    downloads.run(planned_of([*urls, small_web.url("gone")]))
    publish_index(downloads.lake, "d", SubsetSpec(name="s"), [PART], minimum_side_px=1024)
    return downloads.root / "lake" / "d" / "s"


@pytest.mark.parametrize(
    ("library", "said"),
    [
        ("webdataset", [rf"{PART}_0000\d\d \(1100, 1040\) picture \d"] * 6),
        ("wids", [r"6 picture 5"]),
        ("datasets", [rf"{PART}_0000\d\d \(1100, 1040\) picture \d"] * 6),
        ("polars", [r"│ ok +┆ 6", r"│ not_found +┆ 1"]),
    ],
)
def test_the_example_for_each_library_reads_every_sample(
    folder: Path, tmp_path: Path, library: str, said: list[str]
) -> None:
    (example,) = [block for block in blocks("python") if re.search(rf"^(import|from) {library}\b", block, re.MULTILINE)]
    # wids imports PyTorch for base classes that reading by number does not use; 2 GB are too much for that.
    stub = tmp_path / "stub" / "torch"
    (stub / "utils").mkdir(parents=True)
    for name in ("__init__.py", "distributed.py", "utils/__init__.py"):
        (stub / name).touch()
    (stub / "utils" / "data.py").write_text(
        "import typing\nT = typing.TypeVar('T')\n"
        "class Dataset(typing.Generic[T]): pass\nclass Sampler(typing.Generic[T]): pass\n"
    )
    environment = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=folder,
        env={**os.environ, **environment, "TMPDIR": str(tmp_path)}
        | ({"PYTHONPATH": str(stub.parent)} if library == "wids" else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if any(re.search(wanted, line) for wanted in said)]
    assert len(lines) == len(said), done.stdout
