"""The answer key: it says of every row what a correct client must find."""

from pathlib import Path

import polars as pl
import pytest

from laion_assets.sandbox import RunningSandbox
from laion_assets.sandbox.truth import TRUTH_SCHEMA
from laion_assets.web.outcome import Outcome


def test_there_is_one_truth_for_every_published_row(truth: pl.DataFrame, parts: list[Path]) -> None:
    assert dict(truth.schema) == TRUTH_SCHEMA
    assert truth.select("part", "row").rows() == [(f"part-0000{part}", row) for part in range(3) for row in range(2000)]
    published = pl.concat([pl.read_parquet(path) for path in parts])
    assert truth["url"].equals(published["URL"].rename("url"))
    assert truth["declared_width"].equals(published["WIDTH"].rename("declared_width"))


def test_outcomes_are_words_of_the_closed_set(truth: pl.DataFrame) -> None:
    words = {outcome.value for outcome in Outcome}
    assert set(truth["expected_outcome"].drop_nulls()) <= words
    assert set(truth["expected_download_outcome"].drop_nulls()) <= words
    no_url = truth.filter(pl.col("expected_outcome").is_null())
    assert set(no_url["row_defect"]) == {"url_missing", "url_ftp", "shifted_columns"}


def test_the_share_that_answers_is_the_measured_one(truth: pl.DataFrame) -> None:
    assert (truth["expected_outcome"] == "ok").mean() == pytest.approx(0.857, abs=0.01)


def test_each_kind_of_anomaly_is_what_its_name_says(truth: pl.DataFrame) -> None:
    short = pl.min_horizontal("declared_width", "declared_height")
    true_short = pl.min_horizontal("true_width", "true_height")

    def of(kind: str) -> pl.DataFrame:
        return truth.filter(pl.col("kind_of_anomaly").eq_missing(kind))

    assert of("declared_below_minimum").select((short < 1024).all()).item()
    assert of("true_below_minimum").select(((short >= 1024) & (true_short < 1024)).all()).item()
    swapped = of("declared_swapped")
    assert swapped["declared_width"].equals(swapped["true_height"].rename("declared_width"))
    straddling = of("straddles_buckets")
    assert straddling.height / truth.height == pytest.approx(0.16, abs=0.02)
    assert straddling.select((short >= 1024).all()).item()
    assert of("declared_below_minimum").height == pytest.approx(3, abs=2)
    assert of("true_below_minimum").height / truth.height == pytest.approx(0.025, abs=0.005)
    assert of("declared_swapped").height >= 1


def test_images_below_the_minimum_are_too_small_to_be_downloaded(truth: pl.DataFrame) -> None:
    below = truth.filter((pl.col("expected_outcome") == "ok") & (pl.min_horizontal("true_width", "true_height") < 1024))
    assert set(below["expected_download_outcome"].drop_nulls()) == {"too_small"}
    assert "too_small" not in set(truth["expected_outcome"])


def test_where_no_image_can_be_had_there_is_no_true_size(truth: pl.DataFrame) -> None:
    lost = truth.filter(pl.col("expected_outcome").is_in(["not_found", "dns_failed", "not_an_image", "timed_out"]))
    assert (
        lost["true_width"].null_count() == lost["format"].null_count() == lost["file_bytes"].null_count() == lost.height
    )
    had = truth.filter(pl.col("expected_outcome") == "ok")
    assert had["true_width"].null_count() == had["file_bytes"].null_count() == 0
    assert (had["file_bytes"] > 0).all()


def test_rows_of_one_page_share_its_truth(truth: pl.DataFrame) -> None:
    shared = (
        truth.filter(pl.col("row_defect").is_null())
        .group_by("page")
        .agg(
            pl.len(),
            pl.col("url").n_unique(),
            pl.col("fault").n_unique(),
            pl.col("declared_width").n_unique().alias("widths"),
        )
    )
    assert shared.select((pl.col("len") > 1).any()).item()
    assert shared.filter(pl.max_horizontal("url", "fault", "widths") > 1).is_empty()


def test_the_truth_is_served_over_http_too(sandbox: RunningSandbox, truth: pl.DataFrame) -> None:
    assert pl.read_parquet(f"{sandbox.hub_url}/truth.parquet").equals(truth)
