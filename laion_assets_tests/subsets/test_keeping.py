"""The plan counts what the download keeps: its limits and its resizing, told by the shards' own spec."""

import io
from pathlib import Path

import matplotlib as mpl
import polars as pl
import pytest

from laion_assets.shards.spec import ResizeSpec, ShardsSpec
from laion_assets.shards.upstream import Resizer
from laion_assets.subsets.forecast import (
    BROKEN_BEYOND_HEADER_SHARE,
    LEAST_OVERHEAD_BYTES,
    LOST_SINCE_SHARE,
    MOST_OVERHEAD_BYTES,
    OVERHEAD_BYTES,
    Forecast,
    HostLimits,
    make_forecast,
)
from laion_assets.subsets.keeping import ENCODED_FACTOR, Keeping
from laion_assets.subsets.spec import PlanSpec
from laion_assets_tests.subsets.conftest import probes_of, valid_rows


def planned_with(spec: ShardsSpec, probes: pl.DataFrame, *, rows: int = 1000) -> Forecast:
    limits = HostLimits(requests_per_s=None, at_once=1000)
    assumed = PlanSpec(least_probes=probes.height)
    return make_forecast(probes, {"a": rows}, keeping=spec.keeping(1024), assumed=assumed, limits=limits)


LEAST = (1 - LOST_SINCE_SHARE) * (1 - BROKEN_BEYOND_HEADER_SHARE)
"""Share of what probes saw that comes at least."""

TEN = probes_of(
    valid_rows(10),
    true_width=[1600] * 6 + [6000, 12_000, 1600, 1000],
    true_height=[1200] * 6 + [1200, 12_000, 1200, 2000],
    file_bytes=[400_000] * 8 + [60_000_000, 400_000],
    format=["jpeg"] * 4 + ["heif", "png"] + ["jpeg"] * 4,
)


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        (ShardsSpec(), 6),  # without HEIF, 144 megapixels, 60 MB, and a side of 1000 px
        (ShardsSpec(maximum_aspect=3.0), 5),
        (ShardsSpec(formats=("jpeg",)), 5),
        (ShardsSpec(maximum_megapixels=200), 7),
        (ShardsSpec(maximum_bytes=100_000_000), 7),
        (ShardsSpec(minimum_side_px=1000), 7),
        (ShardsSpec(minimum_side_px=1201), 0),
    ],
)
def test_what_the_download_leaves_out_the_plan_leaves_out(spec: ShardsSpec, kept: int) -> None:
    assert planned_with(spec, TEN).kept_share.estimate == pytest.approx(kept / 10)


def test_a_body_over_the_cap_is_not_planned_to_be_transferred() -> None:
    capped, whole = (planned_with(ShardsSpec(maximum_bytes=size), TEN) for size in (50_000_000, 100_000_000))
    assert capped.bytes_to_transfer.estimate == pytest.approx(100 * (9 * 400_000 + 4096))
    assert whole.bytes_to_transfer.estimate == pytest.approx(100 * (9 * 400_000 + 60_000_000))


def test_images_that_need_no_resizing_are_stored_as_they_are() -> None:
    same = planned_with(ShardsSpec(resize=ResizeSpec(image_size=4096)), probes_of(valid_rows(10)))
    assert same.bytes_to_store.estimate == pytest.approx(1000 * (400_000 + OVERHEAD_BYTES))
    assert same.bytes_to_store.low == pytest.approx(LEAST * 1000 * (400_000 + LEAST_OVERHEAD_BYTES))


@pytest.mark.parametrize(
    ("mode", "pixels"),
    [
        ("keep_ratio_largest", 800 * 600),
        ("keep_ratio", 800 * 800 * 4 / 3),
        ("center_crop", 800 * 800),
        ("border", 800 * 800),
        ("no", 1600 * 1200),
    ],
)
def test_resized_images_are_planned_by_their_new_pixels(mode: str, pixels: float) -> None:
    resize = ResizeSpec.model_validate({"mode": mode, "image_size": 800, "skip_reencode": False})
    stored = planned_with(ShardsSpec(resize=resize), probes_of(valid_rows(10))).bytes_to_store
    assert (stored.estimate / 1000 - OVERHEAD_BYTES) / 0.45 == pytest.approx(pixels)
    assert (stored.low / LEAST / 1000 - LEAST_OVERHEAD_BYTES) * ENCODED_FACTOR / 0.45 == pytest.approx(pixels)
    assert (stored.high / 1000 - MOST_OVERHEAD_BYTES) / ENCODED_FACTOR / 0.45 == pytest.approx(pixels)


@pytest.mark.parametrize(
    ("image_format", "quality"), [("jpg", 75), ("jpg", 95), ("webp", 75), ("webp", 95), ("png", 6)]
)
def test_what_encoding_a_photograph_takes_lies_within_the_plans_factor(image_format: str, quality: int) -> None:
    body = (Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg").read_bytes()
    resizer = Resizer(
        400, "keep_ratio_largest", resize_only_if_bigger=True, encode_quality=quality, encode_format=image_format
    )
    image, width, height, *_ = resizer(io.BytesIO(body))
    how = {"image_size": 400, "encode_format": image_format, "encode_quality": quality}
    resized = ShardsSpec(resize=ResizeSpec.model_validate(how)).keeping(1024).resized
    assert resized is not None
    guess = resized.bytes_per_pixel * width * height
    assert guess / ENCODED_FACTOR <= len(image) <= guess * ENCODED_FACTOR


def test_other_limits_are_another_plan() -> None:
    digests = {Keeping(1024).digest(), Keeping(512).digest(), ShardsSpec().keeping(1024).digest()}
    assert len(digests) == 3
    assert ShardsSpec(processes=3).keeping(1024).digest() == ShardsSpec().keeping(1024).digest()
