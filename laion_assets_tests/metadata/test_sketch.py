"""A sketch holds the rows that are drawn first, and stands for its part only while it is of that very file and seed."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.metadata.draw_order import score
from laion_assets.metadata.reading import open_published
from laion_assets.metadata.rulebook import rulebook
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.metadata.sketch import SKETCH_SCHEMA, SKETCHED_BELOW, SKETCHES, Sketch, sketches_of
from laion_assets.metadata.validation import validate
from laion_assets.probes.sample import draw_sample
from laion_assets.probes.spec import SampleSpec
from laion_assets_tests.lake.conftest import lake, local_lake, s3_endpoint, s3_environment, s3_lake
from laion_assets_tests.metadata.conftest import rows

__all__ = ["lake", "local_lake", "s3_endpoint", "s3_environment", "s3_lake"]

PART = "part-00000"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published part of which every eleventh row is quarantined."""
    path = tmp_path_factory.mktemp("raw") / f"{PART}.parquet"
    some = rows(*({"WIDTH": None if n % 11 == 0 else 1024 + n} for n in range(1000)))
    some = some.with_columns(NSFW=pl.lit("UNLIKELY"))
    pl.concat([some.with_columns(pl.col("URL") + f"?{copy}") for copy in range(20)]).write_parquet(path)
    return path


def _validated(raw: Path, folder: Path, *, seed: int = 0, rows_per_slice: int = 1_000_000) -> tuple[Path, pl.DataFrame]:
    """The validated file and its sketch."""
    sketch, valid = Sketch(PART, seed=seed), folder / f"{PART}.parquet"
    with open_published(raw, part=PART, scratch=folder) as table:
        validate(
            table,
            rulebook(),
            valid_path=valid,
            quarantine_path=folder / "quarantined.parquet",
            sketch=sketch,
            rows_per_slice=rows_per_slice,
        )
    return valid, sketch.rows(valid_bytes=valid.stat().st_size)


@pytest.mark.parametrize("rows_per_slice", [1_000_000, 7_000])
def test_a_sketch_holds_all_valid_rows_with_small_scores_and_no_others(
    raw: Path, tmp_path: Path, rows_per_slice: int
) -> None:
    path, sketch = _validated(raw, tmp_path, seed=7, rows_per_slice=rows_per_slice)
    assert sketch.schema == pl.Schema(SKETCH_SCHEMA)
    valid = pl.read_parquet(path)
    assert "nsfw" in valid.columns, "what a sample does not have, a sketch need not"
    small = [value < SKETCHED_BELOW for value in score(7, PART, valid["row"].to_numpy()).tolist()]
    expected = valid.filter(pl.Series(small)).select(list(VALIDATED_SCHEMA))
    assert 100 < expected.height < 300
    assert sketch.select(list(VALIDATED_SCHEMA)).equals(expected)
    assert set(sketch.select("seed", "valid_bytes").rows()) == {(7, path.stat().st_size)}


def test_few_rows_do_not_keep_the_memory_of_all() -> None:
    sketch, texts = Sketch(PART, seed=0), [f"{number:0200d}" for number in range(20_000)]
    given = {"part": PART, "row": np.arange(20_000), "caption": texts}
    columns = [pl.lit(None, dtype).alias(name) for name, dtype in VALIDATED_SCHEMA.items() if name not in given]
    sketch.add(pl.DataFrame(given).with_columns(columns).select(pl.col(n).cast(t) for n, t in VALIDATED_SCHEMA.items()))
    kept = sketch.rows(valid_bytes=1)
    assert 100 < kept.height < 300
    captions = kept.get_column("caption").rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    assert sum(buffer.size for buffer in captions.buffers() if buffer) < 2 * 300 * 200


def _publish(lake: Lake, raw: Path, folder: Path, *, seed: int = 0) -> pl.DataFrame:
    """A validated file and its sketch in a lake."""
    valid, sketch = _validated(raw, folder, seed=seed)
    lake.write_bytes(lake.uri(["d", "validated_metadata"], f"{PART}.parquet"), valid.read_bytes())
    lake.write_parquet(lake.uri(["d", SKETCHES], f"{PART}.parquet"), sketch)
    return sketch


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_a_sketch_stands_for_its_part(raw: Path, tmp_path: Path, lake: Lake, seed: int) -> None:
    sketch = _publish(lake, raw, tmp_path, seed=seed)
    found = sketches_of(lake, "d", [PART, "part-00001"], seed=seed)
    assert set(found) == {PART}
    assert found[PART].rows.collect().equals(sketch)
    assert found[PART].valid_rows == 18_180
    assert sketches_of(lake, "d", [PART], seed=seed ^ 1) == {}, "of another seed"
    assert sketches_of(lake, "d", [], seed=seed) == {}


@pytest.mark.parametrize("name", ["below", "valid_rows", "valid_bytes"])
def test_a_sketch_of_another_file_or_threshold_does_not(raw: Path, tmp_path: Path, lake: Lake, name: str) -> None:
    sketch = _publish(lake, raw, tmp_path)
    lake.write_parquet(lake.uri(["d", SKETCHES], f"{PART}.parquet"), sketch.with_columns(pl.col(name) - 1))
    assert sketches_of(lake, "d", [PART], seed=0) == {}


def test_a_sample_from_sketches_is_the_one_from_validated_files(raw: Path, tmp_path: Path, lake: Lake) -> None:
    _publish(lake, raw, tmp_path)
    parts = {PART: lake.scan_parquet(lake.uri(["d", "validated_metadata"], f"{PART}.parquet"))}
    found = draw_sample(parts, SampleSpec(size=100), sketches=sketches_of(lake, "d", [PART], seed=0))
    assert found.from_sketches == 1
    assert found.frame.equals(draw_sample(parts, SampleSpec(size=100)).frame)


def test_an_empty_sketch_tells_nothing(raw: Path, tmp_path: Path, lake: Lake) -> None:
    sketch = _publish(lake, raw, tmp_path)
    lake.write_parquet(lake.uri(["d", SKETCHES], f"{PART}.parquet"), sketch.clear())
    assert sketches_of(lake, "d", [PART], seed=0) == {}
