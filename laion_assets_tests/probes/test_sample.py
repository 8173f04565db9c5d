"""The sample is uniform, nested, and the same whatever else changes."""

import itertools
import tracemalloc
from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from laion_assets.lake.errors import LakeError
from laion_assets.metadata.draw_order import score
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.metadata.sketch import PartSketch, Sketch
from laion_assets.probes.probe import first_rows
from laion_assets.probes.sample import SAMPLE_SCHEMA, SampleError, Selection, allocate, draw_sample
from laion_assets.probes.spec import SampleSpec


def part(key: str, rows: int, *, gaps: bool = False) -> pl.LazyFrame:
    """Valid rows of one part; with gaps, every third was quarantined."""
    positions = [row for row in range(rows) if not gaps or row % 3]
    languages = ["en", "de", "en", "nolang", None]
    return pl.LazyFrame(
        {
            "part": [key] * len(positions),
            "row": positions,
            "url": [f"http://host-{row % 17}.example/{key}/{row}.jpg" for row in positions],
            "caption": [f"picture {row}" for row in positions],
            "declared_width": [1024 + row % 3000 for row in positions],
            "declared_height": [1024 + 7 * row % 4000 for row in positions],
            "language": [languages[row % 5] for row in positions],
        },
        schema_overrides=VALIDATED_SCHEMA,
    ).select([pl.col(n) if n in _GIVEN else pl.lit(None, t).alias(n) for n, t in VALIDATED_SCHEMA.items()])


_GIVEN = {"part", "row", "url", "caption", "declared_width", "declared_height", "language"}


def dataset(parts: int = 5, rows: int = 2000) -> dict[str, pl.LazyFrame]:
    return {f"part-{number:05d}": part(f"part-{number:05d}", rows, gaps=number == 2) for number in range(parts)}


def drawn(parts: Mapping[str, pl.LazyFrame], size: int, seed: int = 0) -> set[tuple[str, int]]:
    frame = draw_sample(parts, SampleSpec(size=size, seed=seed)).frame
    return set(frame.select("part", "row").iter_rows())


def test_the_sample_has_the_size_asked_for_and_every_row_once() -> None:
    sample = draw_sample(dataset(), SampleSpec(size=700))
    assert sample.frame.height == 700
    assert sample.frame.select("part", "row").is_unique().all()
    assert sample.frame.schema == pl.Schema(SAMPLE_SCHEMA)
    assert sample.population_rows == 4 * 2000 + 1333
    assert sample.frame["weight"].unique().to_list() == [pytest.approx(9333 / 700)]
    assert sample.frame["weight"].sum() == pytest.approx(9333)


def test_rows_come_whole_and_in_the_order_of_parts_and_rows() -> None:
    parts = dataset()
    frame = draw_sample(parts, SampleSpec(size=500)).frame
    assert frame.select("part", "row").equals(frame.select("part", "row").sort("part", "row"))
    everything = pl.concat([rows.collect() for rows in parts.values()])
    joined = frame.join(everything, on=["part", "row"], how="left", suffix="_original")
    for column in ("url", "caption", "declared_width", "declared_height", "language"):
        assert joined[column].equals(joined[f"{column}_original"], null_equal=True)


def test_smaller_samples_lie_within_larger_ones() -> None:
    parts = dataset()
    samples = [drawn(parts, size) for size in (1, 10, 100, 1000, 5000, 9333, 20_000)]
    for smaller, larger in itertools.pairwise(samples):
        assert smaller <= larger
    assert len(samples[-1]) == 9333


def test_another_seed_draws_another_sample() -> None:
    parts = dataset()
    common = drawn(parts, 1000, seed=0) & drawn(parts, 1000, seed=1)
    assert len(common) == pytest.approx(1000 * 1000 / 9333, rel=0.4)


def test_the_order_of_the_parts_plays_no_part() -> None:
    parts = dataset()
    backwards = dict(reversed(list(parts.items())))
    assert drawn(backwards, 800) == drawn(parts, 800)


def test_a_further_part_only_pushes_rows_out() -> None:
    parts = dataset(5)
    before, after = drawn(dict(list(parts.items())[:4]), 800), drawn(parts, 800)
    assert {row for row in after if row[0] != "part-00004"} <= before


def sketches(parts: Mapping[str, pl.LazyFrame], seed: int = 0) -> dict[str, PartSketch]:
    """Sketches of parts, as the pass over each writes them."""
    taken = {}
    for key, rows in parts.items():
        sketch, valid = Sketch(key, seed=seed), rows.collect()
        sketch.add(valid)
        taken[key] = PartSketch(sketch.rows(valid_bytes=1).lazy(), valid.height)
    return taken


@pytest.mark.parametrize("beyond", [-90, -80, -1, 0, 1, 2, 100, 20_000])
def test_a_sample_is_the_same_from_sketches(beyond: int) -> None:
    parts, seed = dataset(), 2**64 - 1
    taken = sketches(parts, seed=seed)
    held = sum(sketch.rows.select(pl.len()).collect().item() for sketch in taken.values())
    spec = SampleSpec(size=max(1, held + beyond), seed=seed)
    assert 50 < held < 150, "about a hundredth of 9,333"
    plain = draw_sample(parts, spec)
    found = draw_sample(parts, spec, sketches=taken)
    assert found.frame.equals(plain.frame)
    assert (found.coverage, found.strata) == (plain.coverage, plain.strata)
    assert found.from_sketches == (5 if beyond <= 0 else 0)
    some = draw_sample(parts, spec, sketches={key: taken[key] for key in ("part-00001", "part-00002")})
    assert some.frame.equals(plain.frame)
    assert (some.coverage, some.strata) == (plain.coverage, plain.strata)
    assert some.from_sketches == (2 if beyond <= 0 else 0)


def test_of_a_part_with_a_sketch_only_the_number_of_rows_is_read() -> None:
    def unread(_: pl.Series) -> pl.Series:
        raise AssertionError("read")

    parts = dataset()
    closed = {
        key: rows.with_columns(pl.col(name).map_batches(unread, dtype) for name, dtype in VALIDATED_SCHEMA.items())
        for key, rows in parts.items()
    }
    plain = draw_sample(parts, SampleSpec(size=80))
    found = draw_sample(closed, SampleSpec(size=80), sketches=sketches(parts))
    assert found.frame.equals(plain.frame)
    assert (found.coverage, found.from_sketches) == (plain.coverage, 5)
    with pytest.raises(AssertionError, match="read"):
        draw_sample(closed, SampleSpec(size=200), sketches=sketches(parts))


def test_rows_that_went_away_while_they_were_chosen_are_told_and_not_made_up() -> None:
    class Another(dict[str, pl.LazyFrame]):
        """Parts of which one is validated anew after its rows were chosen."""

        def __getitem__(self, key: str) -> pl.LazyFrame:
            rows = super().__getitem__(key)
            self[key] = rows.filter(pl.col("row") < 0) if key == "part-00003" else rows
            return rows

    parts = dataset()
    chosen = draw_sample(parts, SampleSpec(size=80)).coverage[3].sampled
    sentence = f"part-00003: {chosen} of its rows were chosen, and 0 of them are there now"
    with pytest.raises(LakeError, match=sentence) as told:
        draw_sample(Another(parts), SampleSpec(size=80))
    assert told.value.retryable


def test_strata_are_drawn_from_all_rows_whatever_the_sketches() -> None:
    parts, spec = dataset(), SampleSpec(size=20, strata=("language",))
    plain, found = draw_sample(parts, spec), draw_sample(parts, spec, sketches=sketches(parts))
    assert found.frame.equals(plain.frame)
    assert found.strata == plain.strata


def test_how_a_part_is_cut_into_chunks_plays_no_part() -> None:
    rows = np.arange(50_000, dtype=np.uint32)
    whole, pieces = Selection(500), Selection(500)
    whole.offer("a", rows, score(0, "a", rows), out_of=len(rows))
    whole.offer("b", rows, score(0, "b", rows), out_of=len(rows))
    pieces.offer("b", rows, score(0, "b", rows), out_of=len(rows))
    pieces.offer("a", rows, score(0, "a", rows), out_of=len(rows))
    for key in ("a", "b"):
        assert whole.chosen()[key].tolist() == pieces.chosen()[key].tolist()


def test_ties_are_broken_by_part_and_row_whatever_the_order() -> None:
    rows, same = np.arange(10, dtype=np.uint32), np.full(10, 5, np.uint64)
    for order in (("b", "a"), ("a", "b")):
        selection = Selection(13)
        for key in order:
            selection.offer(key, rows, same, out_of=len(rows))
        assert {key: chosen.tolist() for key, chosen in selection.chosen().items()} == {
            "a": list(range(10)),
            "b": [0, 1, 2],
        }


def test_every_row_has_the_same_chance() -> None:
    # 400 seeds, 2,000 rows, 200 drawn each time: a row is drawn 40 times in the mean. Chi-square over all rows, with
    # hypergeometric variance; the bounds are those of six standard deviations.
    rows = np.arange(1000, dtype=np.uint32)
    counts = np.zeros((2, 1000))
    for seed in range(400):
        selection = Selection(200)
        for key in ("a", "b"):
            selection.offer(key, rows, score(seed, key, rows), out_of=len(rows))
        for number, key in enumerate(("a", "b")):
            counts[number, selection.chosen()[key]] += 1
    variance = 400 * 0.1 * 0.9
    chi_square = ((counts - 40) ** 2 / variance).sum()
    assert abs(chi_square - 2000) < 6 * (2 * 2000) ** 0.5
    assert abs(counts[0].sum() - 40_000) < 6 * (400 * 200 * 0.25) ** 0.5
    # Neither even against odd rows, nor early against late ones.
    assert abs(counts[:, ::2].sum() - 40_000) < 6 * (400 * 200 * 0.25) ** 0.5
    assert abs(counts[:, :500].sum() - 40_000) < 6 * (400 * 200 * 0.25) ** 0.5


def test_more_parts_take_no_more_memory_and_the_draw_stays_exact() -> None:
    # Parts of the real size, a tenth as many: what one part needs at a time is all there ever is.
    rows = np.arange(1_330_000, dtype=np.uint32)
    keys = [f"part-{number:05d}" for number in range(13)]
    selection, peaks = Selection(10_000), []
    tracemalloc.start()
    for key in keys:
        tracemalloc.reset_peak()
        selection.offer(key, rows, score(0, key, rows), out_of=len(rows))
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert max(peaks[2:]) <= peaks[0] < 60_000_000
    chosen = selection.chosen()
    assert sum(map(len, chosen.values())) == 10_000
    largest = max(int(score(0, key, chosen[key]).max()) for key in chosen)
    assert sum(int((score(0, key, rows) <= np.uint64(largest)).sum()) for key in keys) == 10_000


def test_no_parts_and_no_rows_make_an_empty_sample() -> None:
    assert draw_sample({}, SampleSpec()).frame.height == 0
    empty = draw_sample({"part-00000": part("part-00000", 0)}, SampleSpec())
    assert empty.frame.schema == pl.Schema(SAMPLE_SCHEMA)
    assert empty.frame.height == 0
    assert [covered.rows for covered in empty.coverage] == [0]


def test_coverage_tells_parts_rows_and_how_many_were_drawn() -> None:
    sample = draw_sample(dataset(), SampleSpec(size=900))
    assert [covered.part for covered in sample.coverage] == [f"part-{number:05d}" for number in range(5)]
    assert [covered.rows for covered in sample.coverage] == [2000, 2000, 1333, 2000, 2000]
    counts = dict(sample.frame["part"].value_counts().iter_rows())
    assert {covered.part: covered.sampled for covered in sample.coverage} == counts


def test_strata_get_the_places_asked_for_and_weights_keep_totals_unbiased() -> None:
    spec = SampleSpec(size=600, strata=("language",), stratum_shares={"de": 0.5})
    sample = draw_sample(dataset(), spec)
    frame = sample.frame
    sizes = {stratum.name: (stratum.rows, stratum.sampled) for stratum in sample.strata}
    assert frame.height == 600
    assert sizes["de"][1] == 300
    everything = pl.concat([rows.collect() for rows in dataset().values()])
    truth = dict(everything["language"].fill_null("unknown").value_counts().iter_rows())
    assert {name: rows for name, (rows, _) in sizes.items()} == truth
    weighed = frame.group_by(pl.col("language").fill_null("unknown")).agg(pl.col("weight").sum())
    for name, total in weighed.iter_rows():
        assert total == pytest.approx(truth[name])


def test_stratified_samples_are_nested_too() -> None:
    parts, before = dataset(), set[tuple[str, int]]()
    for size in (20, 50, 51, 52, 300, 1000, 4000):
        spec = SampleSpec(size=size, strata=("language", "size_class"))
        frame = draw_sample(parts, spec).frame
        rows = set(frame.select("part", "row").iter_rows())
        assert len(rows) == size
        assert before <= rows
        before = rows


def test_places_follow_shares_and_no_stratum_is_left_out() -> None:
    places = allocate({"en": 1_000_000, "de": 50_000, "fr": 40_000, "rare": 3}, 1000, {"de": 0.3})
    assert sum(places.values()) == 1000
    assert places["de"] == 300
    assert places["rare"] == 1
    assert places["en"] == pytest.approx(700 * 1_000_000 / 1_040_003, abs=2)


def test_places_never_exceed_the_rows_there_are() -> None:
    places = allocate({"en": 40, "de": 5}, 1000, {"de": 0.9})
    assert places == {"en": 40, "de": 5}


def test_places_only_grow_with_the_sample() -> None:
    sizes = {f"stratum {number}": 7 ** (number % 6) + number for number in range(40)}
    before = allocate(sizes, 40, {})
    for size in range(41, 400):
        after = allocate(sizes, size, {})
        assert sum(after.values()) == size
        assert all(after[name] >= before[name] for name in sizes)
        before = after


def test_strata_that_cannot_be_filled_are_refused_in_a_sentence() -> None:
    with pytest.raises(SampleError, match="4 strata do not fit into 3 places; draw more rows or name fewer strata"):
        draw_sample(dataset(), SampleSpec(size=3, strata=("language",)))
    with pytest.raises(
        SampleError, match=r"stratum_shares name \['xx'\], but the rows only have de, en, nolang, unknown"
    ):
        draw_sample(dataset(), SampleSpec(size=30, strata=("language",), stratum_shares={"xx": 0.5}))


def test_wrong_shares_are_refused_when_the_yaml_is_read() -> None:
    with pytest.raises(ValueError, match="stratum_shares need strata"):
        SampleSpec(stratum_shares={"en": 0.5})
    with pytest.raises(ValueError, match="add up to 1 at most"):
        SampleSpec(strata=("language",), stratum_shares={"en": 0.7, "de": 0.7})


def test_the_panel_is_what_a_smaller_sample_would_hold() -> None:
    parts = dataset()
    large = draw_sample(parts, SampleSpec(size=2000, seed=5)).frame
    panel = first_rows(large, rows=300, seed=5)
    assert set(panel.select("part", "row").iter_rows()) == drawn(parts, 300, seed=5)
    assert panel.select("part", "row").equals(panel.select("part", "row").sort("part", "row"))
    assert first_rows(large.clear(), rows=3, seed=5).height == 0
