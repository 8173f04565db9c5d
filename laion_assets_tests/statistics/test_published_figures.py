"""The analysis that started it all: its figures come out of the data again, and so does what was wrong with them."""

import functools

import numpy as np
import polars as pl
import pytest

from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.probes.schema import PROBE_SCHEMA
from laion_assets.sandbox.pages import make_pages
from laion_assets.sandbox.rows import make_defects, make_part
from laion_assets.sandbox.spec import Ports, SandboxSpec
from laion_assets.sandbox.truth import part_truth
from laion_assets.statistics.declared import Declared
from laion_assets.statistics.document import AnomalyKind, Statistics
from laion_assets.statistics.estimate import Share
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.measure import measure
from laion_assets.statistics.spec import RequirementSpec
from laion_assets_tests.statistics.populations import FITTED, draw, population, probe, profiles


def measured(rows: pl.DataFrame, drawn: int) -> Statistics:
    evidence = Evidence.of(
        draw(rows, drawn, seed=3),
        declared=Declared.of(profiles(rows)),
        requirement=RequirementSpec(),
        minimum_side_px=1024,
    )
    return measure(evidence, dataset="laion_hr", title="LAION-High-Resolution")


def kind(found: Statistics, name: str) -> AnomalyKind:
    return next(kind for kind in found.anomaly.kinds if kind.kind == name)


def covers(share: Share, truth: float) -> bool:
    assert share.low is not None
    assert share.high is not None
    return share.low <= truth <= share.high


@functools.cache
def fitted() -> Statistics:
    """All 20,000 pairs fitted to the published table, each once."""
    pairs = pl.read_parquet(FITTED)
    rows = population(pairs.height).with_columns(
        declared_width=pairs["width"].cast(pl.Int32), declared_height=pairs["height"].cast(pl.Int32)
    )
    return measured(probe(rows, reachable=0.9, smaller=0), 10_000)


@pytest.mark.parametrize(
    ("side", "mean", "percentiles"),
    [
        ("width", 1786, {"p25": 1200, "p50": 1600, "p75": 2000, "p90": 2640, "p95": 3307, "p99": 5109}),
        ("height", 1658, {"p25": 1186, "p50": 1440, "p75": 1920, "p90": 2560, "p95": 3140, "p99": 4180}),
    ],
)
def test_the_published_table_comes_out_again(side: str, mean: float, percentiles: dict[str, float]) -> None:
    views = next(size for size in fitted().sizes if size.name == side).views
    for view in (views.declared_all, views.declared_sample):
        assert view is not None
        assert view.minimum == 1024
        assert view.mean.estimate == pytest.approx(mean, rel=0.02)
        for name, published in percentiles.items():
            assert view.percentiles[name].estimate == pytest.approx(published, rel=0.04), name


def test_megapixels_and_shapes_come_out_again() -> None:
    area = next(size for size in fitted().sizes if size.name == "megapixels").views.declared_all
    assert area is not None
    assert area.mean.estimate == pytest.approx(3.35, rel=0.03)
    assert area.percentiles["p50"].estimate == pytest.approx(2.17, rel=0.03)
    shapes = {shape.name: shape.views.declared_all for shape in fitted().aspect}
    for name, published in (("square", 0.331), ("landscape", 0.407), ("portrait", 0.262)):
        share = shapes[name]
        assert share is not None
        assert share.estimate == pytest.approx(published, abs=0.01)
    mean = fitted().aspect_mean.declared_all
    assert mean is not None
    assert mean.estimate == pytest.approx(1.13, abs=0.01)


def test_the_historical_scheme_gives_its_historical_shares() -> None:
    published = {"< 1024": 0.170, "1024-2048": 0.709, "2048-4096": 0.090, "4096+": 0.031}
    for bucket in fitted().historical_buckets:
        exact = bucket.views.declared_all
        assert exact is not None
        assert exact.estimate == pytest.approx(published[bucket.name], abs=0.0101)
    smallest = fitted().anomaly.historical.declared_all
    assert smallest is not None
    assert smallest.estimate is not None
    assert 0.16 <= smallest.estimate <= 0.17


def test_and_not_one_of_those_images_is_small() -> None:
    found = fitted()
    historical, short = found.anomaly.historical.declared_all, found.anomaly.short_side.declared_all
    straddling = kind(found, "straddles_buckets").declared_all
    assert historical is not None
    assert short is not None
    assert straddling is not None
    assert short.count == 0
    assert straddling.count == historical.count
    assert found.anomaly.genuinely_small.count == 0
    assert kind(found, "declared_below_minimum").share.count == 0
    assert kind(found, "true_below_minimum").share.count == 0


@functools.cache
def sandbox() -> tuple[pl.DataFrame, Statistics]:
    """The sandbox's own answer key as if every probe had found it, and what is measured from a sample of it."""
    spec = SandboxSpec(parts=3, rows_per_part=4_000, port=18_080)
    pages, defects = make_pages(spec), make_defects(spec)
    file_bytes = np.full(len(pages.true_width), 60_000, dtype=np.int64)
    tables = []
    for number in range(spec.parts):
        part = make_part(spec, pages, Ports(web=18_080, hub=18_081, dns=18_082, tls=18_083), number, defects)
        truth = part_truth(spec, pages, file_bytes, number, part)
        tables.append(truth.with_columns(caption=part.table["TEXT"]))
    truth = pl.concat(tables)
    usable = pl.col("expected_outcome").is_not_null() & (pl.min_horizontal("declared_width", "declared_height") > 0)
    truth = truth.filter(usable & (pl.max_horizontal("declared_width", "declared_height") <= 65_500))
    seen = pl.col("expected_outcome") == "ok"
    rows = truth.with_columns(
        *(pl.when(seen).then(name).alias(name) for name in ("true_width", "true_height", "format", "file_bytes")),
        outcome="expected_outcome",
        opted_out=pl.lit(False),  # noqa: FBT003
    )
    schema = VALIDATED_SCHEMA | PROBE_SCHEMA
    absent = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items() if name not in rows.columns]
    rows = rows.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    return truth, measured(rows, 6_000)


def test_the_true_defect_is_what_the_sandbox_planted() -> None:
    truth, found = sandbox()
    seen = truth.filter(pl.col("expected_outcome") == "ok")
    large = pl.min_horizontal("declared_width", "declared_height") >= 1024
    small = pl.min_horizontal("true_width", "true_height") < 1024
    planted = seen.select((large & small).mean()).item()
    assert 0.02 < planted < 0.05
    assert covers(kind(found, "true_below_minimum").share, planted)
    swapped = seen.select(
        (
            (pl.col("declared_width") == pl.col("true_height"))
            & (pl.col("declared_height") == pl.col("true_width"))
            & (pl.col("declared_width") != pl.col("declared_height"))
        ).mean()
    ).item()
    assert covers(kind(found, "declared_swapped").share, swapped)
    below = kind(found, "declared_below_minimum").declared_all
    assert below is not None
    assert below.count == truth.select((~large).sum()).item()


def test_on_the_sandbox_the_historical_figure_is_an_artefact_too() -> None:
    truth, found = sandbox()
    exact, sampled = found.anomaly.historical.declared_all, found.anomaly.historical.declared_sample
    assert exact is not None
    assert sampled is not None
    assert exact.estimate is not None
    assert 0.155 <= exact.estimate <= 0.175
    assert covers(sampled, exact.estimate)
    straddling = truth.select((pl.col("kind_of_anomaly") == "straddles_buckets").sum()).item()
    # The answer key names one kind per row and counts a straddler that is truly small as the latter.
    assert straddling <= exact.count
    assert straddling / exact.count > 0.9


def test_reachability_is_what_the_sandbox_planted() -> None:
    truth, found = sandbox()
    assert found.reach is not None
    assert covers(found.reach.reachable, truth.select((pl.col("expected_outcome") == "ok").mean()).item())
    for outcome in found.reach.outcomes[:6]:
        assert covers(outcome.share, truth.select((pl.col("expected_outcome") == outcome.outcome).mean()).item())
