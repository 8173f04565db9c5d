"""Every figure of a profile is what counting by hand gives, and profiles add up to the profile of all rows."""

import math
import random
import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest

from laion_assets.metadata.profile import OTHERS, PROFILE_SCHEMA, pool, quantile_of_counts
from laion_assets.metadata.rulebook import rulebook
from laion_assets.metadata.spec import RulesSpec
from laion_assets.metadata.tally import Tally
from laion_assets_tests.metadata.conftest import PUBLISHED_SCHEMA, Pass, one_pass, rows

_HOSTS = ["a.example", "B.example:8080", "user@c.example", "[::1]:80", "d.example?q=1", "e.example#f"]


def _frame(seed: int, n: int = 2000) -> pl.DataFrame:
    chance = random.Random(seed)  # noqa: S311 (no secret)

    def maybe(value: Any, share: float) -> Any:  # noqa: ANN401 (any cell)
        return None if chance.random() < share else value

    return pl.DataFrame(
        [
            {
                "URL": f"{chance.choice(['http', 'HTTPS'])}://{chance.choice(_HOSTS)}/{chance.randrange(n)}.jpg",
                "TEXT": "x" * int(math.exp(chance.uniform(0, 9))),
                "WIDTH": maybe(chance.choice([1023, 1024, 1600, 2047, 2048, 4096, 5000]), 0.02),
                "HEIGHT": chance.choice([900, 1024, 1500, 2048, 2500, 4095, 4100]),
                "similarity": maybe(chance.choice([chance.uniform(-1, 1), 0.29, 1.0, -1.0, 7.5]), 0.01),
                "LANGUAGE": maybe(chance.choice(["en", "en", "de", "nolang"]), 0.05),
                "hash": chance.randrange(100),
                "pwatermark": maybe(chance.random(), 0.1),
                "punsafe": maybe(chance.random(), 0.2),
            }
            for _ in range(n)
        ],
        schema=PUBLISHED_SCHEMA,
    )


def _quantile(values: list[float], at: float) -> float:
    return sorted(values)[max(math.ceil(at * len(values)), 1) - 1]


def test_every_figure_is_what_counting_by_hand_gives(passed: Callable[..., Pass]) -> None:
    outcome = passed(_frame(1))
    valid, profile = outcome.valid.rows(named=True), outcome.profile
    widths, heights = [row["declared_width"] for row in valid], [row["declared_height"] for row in valid]
    short = [min(pair) for pair in zip(widths, heights, strict=True)]
    pixels = [width * height for width, height in zip(widths, heights, strict=True)]
    aspects = [width / height for width, height in zip(widths, heights, strict=True)]
    similarities = [row["similarity"] for row in valid if row["similarity"] is not None]
    english = [row["similarity"] for row in valid if row["similarity"] is not None and row["language"] == "en"]
    other = [
        row["similarity"] for row in valid if row["similarity"] is not None and row["language"] not in ("en", None)
    ]

    assert profile["rows_in"] == 2000
    assert profile["rows_quarantined"] == outcome.rules["width_missing"] == 2000 - len(valid)
    assert profile["sized_rows"] == len(valid)
    assert profile["pixels_sum"] == sum(pixels)
    assert profile["aspect_sum"] == pytest.approx(math.fsum(aspects))
    assert profile["similarity_sum"] == pytest.approx(math.fsum(similarities))
    assert profile["caption_chars_sum"] == sum(len(row["caption"]) for row in valid)
    assert profile["distinct_urls"] == len({row["url"] for row in valid})
    assert profile["distinct_url_captions"] == len({(row["url"], row["caption"]) for row in valid})
    assert profile["distinct_url_share"] == len({row["url"] for row in valid}) / len(valid)

    assert outcome.counts("width_counts") == Counter(widths)
    assert outcome.counts("height_counts") == Counter(heights)
    assert outcome.counts("short_side_counts") == Counter(short)
    assert outcome.counts("megapixel_counts") == Counter(one // 10_000 for one in pixels)
    assert outcome.counts("aspect_counts") == Counter(
        "landscape" if one > 1.1 else "portrait" if one < 0.9 else "square" for one in aspects
    )
    assert outcome.counts("bucket_counts") == Counter(
        "4096+" if one >= 4096 else "2048-4096" if one >= 2048 else "1024-2048" if one >= 1024 else "< 1024"
        for one in short
    )
    assert outcome.counts("historical_bucket_counts") == Counter(
        _historical(width, height) for width, height in zip(widths, heights, strict=True)
    )
    assert outcome.counts("language_counts") == Counter(row["language"] for row in valid)
    assert outcome.counts("host_counts") == Counter(urlsplit(row["url"]).hostname for row in valid)
    for name in ("similarity", "punsafe", "pwatermark"):
        hundredths = Counter(min(max(math.floor(100 * row[name]), -101), 101) for row in valid if row[name] is not None)
        assert outcome.counts(f"{name}_counts") == hundredths
        nulls = sum(1 for row in valid if row[name] is None)
        assert outcome.counts("null_counts")[name] == nulls
    lengths = [len(row["caption"]) for row in valid]
    assert outcome.counts("caption_chars_counts") == Counter(
        one // 10 * 10 if one < 1000 else one // 1000 * 1000 for one in lengths
    )
    by_language = {
        (one["language"], one["column"]): (one["rows"], one["nulls"]) for one in profile["null_counts_by_language"]
    }
    german = [row for row in valid if row["language"] == "de"]
    assert by_language["de", "punsafe"] == (len(german), sum(1 for row in german if row["punsafe"] is None))
    assert (None, "punsafe") in by_language

    for spread, values in (
        ("width", widths), ("height", heights), ("short_side", short), ("similarity", similarities),
        ("similarity_en", english), ("similarity_not_en", other),
    ):  # fmt: skip
        assert profile[spread] == {
            "min": min(values), "mean": pytest.approx(statistics.fmean(values)), "p1": _quantile(values, 0.01),
            "p5": _quantile(values, 0.05), "p25": _quantile(values, 0.25), "p50": _quantile(values, 0.5),
            "p75": _quantile(values, 0.75), "p90": _quantile(values, 0.9), "p95": _quantile(values, 0.95),
            "p99": _quantile(values, 0.99), "max": max(values),
        }, spread  # fmt: skip
    assert profile["megapixels"]["mean"] == pytest.approx(statistics.fmean(pixels) / 1e6)
    assert profile["megapixels"]["p50"] == _quantile([one // 10_000 / 100 for one in pixels], 0.5)


def _historical(width: int, height: int) -> str:
    if width >= 4096 or height >= 4096:
        return "4096+"
    for low, high, label in ((1024, 2048, "1024-2048"), (2048, 4096, "2048-4096")):
        if low <= width < high and low <= height < high:
            return label
    return "< 1024"


def test_pooled_profiles_are_the_profile_of_all_rows(tmp_path: Path) -> None:
    frames = [_frame(seed, 700) for seed in range(3)]
    profiles = []
    for number, frame in enumerate([*frames, pl.concat(frames)]):
        path = tmp_path / f"part-{number:05d}.parquet"
        frame.write_parquet(path)
        profiles.append(one_pass(path, part=path.stem).profile_frame)
    parts, whole = pool(pl.concat(profiles[:3])), pool(profiles[3])
    assert (parts.parts, parts.rows_in, parts.rows_valid) == (3, 2100, whole.rows_valid)
    assert parts.pixels_sum == whole.pixels_sum
    assert parts.aspect_sum == pytest.approx(whole.aspect_sum)
    assert parts.share("width_missing") == whole.share("width_missing") > 0
    for name, counts in parts.by_value.items():
        assert counts.equals(whole.by_value[name]), name
        assert counts.columns == ["value", "count"]
    for name, counts in parts.by_name.items():
        assert counts.equals(whole.by_name[name]), name
    assert parts.nulls_by_language.equals(whole.nulls_by_language)
    assert parts.quantile("width_counts", 0.5) == whole.quantile("width_counts", 0.5) == profiles[3]["width"][0]["p50"]


def test_hosts_beyond_the_two_hundred_most_frequent_are_counted_together(passed: Callable[..., Pass]) -> None:
    urls = [f"http://h{n:03d}.example/{copy}" for n in range(203) for copy in range(3 if n < 100 else 1)]
    outcome = passed(rows(*({"URL": url} for url in urls)))
    hosts = outcome.counts("host_counts")
    assert len(hosts) == 201
    assert hosts["h000.example"] == 3
    assert hosts["h199.example"] == 1, "equally frequent ones by name"
    assert hosts[OTHERS] == 3


def test_impossible_sizes_are_in_no_figure_where_the_rules_about_them_are_switched_off(
    passed: Callable[..., Pass],
) -> None:
    off = ["width_missing", "width_not_positive", "height_not_positive", "width_too_large", "height_too_large"]
    huge = 2**31 - 1
    frame = rows({}, {"WIDTH": huge, "HEIGHT": huge}, {"WIDTH": 0, "HEIGHT": 0}, {"WIDTH": -5}, {"WIDTH": None})
    outcome = passed(frame, book=rulebook(RulesSpec(switch_off=off)))
    assert outcome.valid.height == 5
    assert outcome.profile["sized_rows"] == 1
    assert outcome.counts("width_counts") == {1600: 1}
    assert outcome.profile["aspect_sum"] == 1600 / 1200
    assert outcome.profile["pixels_sum"] == 1600 * 1200


def test_sizes_are_counted_alike_however_far_apart_they_are() -> None:
    tally, sides = Tally(), {"declared_width": pl.Int32(), "declared_height": pl.Int32()}
    for slice_of in ([(10**6, 10**6), (1600, 1200)], [(1600, 1200), (400, 25)], []):
        tally.add_rows(pl.DataFrame(slice_of, schema=sides, orient="row"))
    counts = {name: tally.merged(name) for name in ("megapixel_counts", "short_side_counts", "bucket_counts")}
    assert {name: frame is not None and dict(frame.iter_rows()) for name, frame in counts.items()} == {
        "megapixel_counts": {1: 1, 192: 2, 10**8: 1},
        "short_side_counts": {25: 1, 1200: 2, 10**6: 1},
        "bucket_counts": {"< 1024": 1, "1024-2048": 2, "4096+": 1},
    }


def test_a_part_that_publishes_urls_alone_has_a_profile(passed: Callable[..., Pass]) -> None:
    outcome = passed(rows({}, {}).select("URL"))
    assert outcome.profile_frame.schema == pl.Schema(PROFILE_SCHEMA)
    assert outcome.profile["width"] is None
    assert outcome.profile["similarity"] is None
    assert outcome.profile["language_counts"] == outcome.profile["width_counts"] == []
    assert outcome.counts("null_counts") == {"url": 0}
    assert pool(outcome.profile_frame).quantile("width_counts", 0.5) is None


def test_a_part_of_quarantined_rows_alone_has_a_profile(passed: Callable[..., Pass]) -> None:
    outcome = passed(rows({"URL": None}, {"URL": "x"}))
    assert (outcome.profile["rows_in"], outcome.profile["rows_valid"]) == (2, 0)
    assert outcome.profile["distinct_url_share"] is None
    assert outcome.valid.height == 0


def test_the_same_part_gives_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for _ in range(2):
        path = tmp_path / "part-00000.parquet"
        _frame(5).write_parquet(path)
        outcome = one_pass(path, rows_per_slice=900)
        outcome.profile_frame.write_parquet(tmp_path / "profile.parquet")
        written.append(
            [(tmp_path / name).read_bytes() for name in ("valid.parquet", "quarantined.parquet", "profile.parquet")]
        )
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("at", "expected"), [(0.0, 1.0), (0.25, 1.0), (0.26, 2.0), (0.75, 2.0), (0.76, 9.0), (1.0, 9.0)]
)
def test_a_quantile_is_the_smallest_value_that_reaches_the_share(at: float, expected: float) -> None:
    assert quantile_of_counts(pl.DataFrame({"value": [1, 2, 9], "count": [1, 2, 1]}), at) == expected
