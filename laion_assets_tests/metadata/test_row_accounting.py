"""No row is ever lost, counted twice or changed, whatever the values and however the part is cut into slices."""

import os
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laion_assets.metadata.profile import pool
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets_tests.metadata.conftest import PUBLISHED_SCHEMA, Pass, one_pass

_EXAMPLES = int(os.environ.get("LAION_ASSETS_TEST_EXAMPLES", "60"))
_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
_URL = st.one_of(
    st.none(),
    _TEXT,
    st.sampled_from(
        ["https://example.org/a.jpg", "http://b.example/ü", "HTTP://x", "UNLIKELY", "http://", "1104", "\x00"]
    ),
    _TEXT.map(lambda text: f"https://example.org/{text}"),
    st.integers(7900, 8100).map(lambda n: "https://example.org/" + "x" * n),
)
_CAPTION = st.one_of(st.none(), _TEXT, st.sampled_from(["a", "a", "\u200b", "photo.jpg"]), st.just("x" * 10_001))
_SIDE = st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1), st.sampled_from([1024, 1600, 0, -1, 65_500, 65_501]))
_SCORE = st.one_of(st.none(), st.floats(), st.floats(0, 1))
_SCORE32 = st.one_of(st.none(), st.floats(width=32))
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "URL": _URL,
    "TEXT": _CAPTION,
    "WIDTH": _SIDE,
    "HEIGHT": _SIDE,
    "similarity": _SCORE,
    "LANGUAGE": st.one_of(st.none(), st.sampled_from(["en", "nolang", "1104"]), _TEXT),
    "hash": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    "pwatermark": _SCORE32,
    "punsafe": _SCORE32,
}
_SPELLED = st.one_of(_TEXT, st.sampled_from(["7", "8.5"]))
_WIDE_INTEGER = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(0, 5000))
# Per column, other types it may be published with, and values of them.
_DRIFT: dict[str, list[tuple[pl.DataType, st.SearchStrategy[Any]]]] = {
    "URL": [(pl.Binary(), st.one_of(st.none(), st.binary(max_size=20), _TEXT.map(lambda text: f"http://{text}".encode())))],
    "TEXT": [(pl.Binary(), st.one_of(st.none(), st.binary(max_size=20)))],
    "WIDTH": [(pl.Float64(), _SCORE), (pl.Int64(), _WIDE_INTEGER), (pl.String(), _SPELLED)],
    "HEIGHT": [(pl.Float32(), _SCORE32), (pl.UInt64(), st.integers(0, 2**64 - 1)), (pl.Null(), st.none())],
    "similarity": [(pl.String(), st.one_of(_TEXT, st.floats().map(str))), (pl.Int64(), _WIDE_INTEGER)],
    "hash": [(pl.Float64(), _SCORE), (pl.String(), st.integers(-(2**65), 2**65).map(str))],
    "pwatermark": [(pl.Float64(), _SCORE)],
    "punsafe": [(pl.Null(), st.none())],
}  # fmt: skip


@st.composite
def _parts(draw: st.DrawFn) -> pl.DataFrame:
    n = draw(st.integers(1, 12))
    columns = []
    for name, values in _FIELDS.items():
        dtype, strategy = PUBLISHED_SCHEMA[name], values
        if name in _DRIFT and draw(st.integers(0, 3)) == 0:
            dtype, strategy = draw(st.sampled_from(_DRIFT[name]))
        elif name != "URL" and draw(st.integers(0, 15)) == 0:
            continue  # not published
        columns.append(pl.Series(name, draw(st.lists(strategy, min_size=n, max_size=n)), dtype=dtype))
    return pl.DataFrame(columns)


def _validated(frame: pl.DataFrame, rows_per_slice: int) -> Pass:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part-00000.parquet"
        frame.write_parquet(path)
        return one_pass(path, rows_per_slice=rows_per_slice)


@settings(
    max_examples=_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(frame=_parts(), rows_per_slice=st.integers(1, 12))
def test_every_row_is_either_valid_or_quarantined_and_unchanged(frame: pl.DataFrame, rows_per_slice: int) -> None:
    outcome = _validated(frame, rows_per_slice)
    valid, quarantined = outcome.valid.get_column("row").to_list(), outcome.quarantined.get_column("row").to_list()
    assert sorted(valid + quarantined) == list(range(frame.height))
    assert valid == sorted(valid)
    assert quarantined == sorted(quarantined)
    assert outcome.valid.schema == pl.Schema(VALIDATED_SCHEMA)

    assert all(outcome.quarantined.get_column("reasons").list.len() > 0), "nothing is left out without a reason"
    assert outcome.quarantined.select(frame.columns).equals(frame[quarantined]), "quarantined as published"
    kept = frame[valid]
    for published, name in (("URL", "url"), ("TEXT", "caption"), ("LANGUAGE", "language")):
        if published in frame.columns and frame.schema[published] == pl.String():
            assert outcome.valid.get_column(name).to_list() == kept.get_column(published).to_list()
    for published, name in (("WIDTH", "declared_width"), ("HEIGHT", "declared_height"), ("hash", "row_hash")):
        if published in frame.columns and frame.schema[published].is_integer():
            assert outcome.valid.get_column(name).to_list() == kept.get_column(published).to_list()

    profile = outcome.profile
    assert (profile["rows_in"], profile["rows_valid"], profile["rows_quarantined"]) == (
        frame.height, len(valid), len(quarantined)
    )  # fmt: skip
    reasons = pl.concat([outcome.quarantined.get_column("reasons"), outcome.valid.get_column("flags")]).explode()
    assert outcome.rules == dict(reasons.drop_nulls().value_counts().rows())
    assert profile["rows_flagged"] == sum(1 for flags in outcome.valid.get_column("flags") if len(flags))
    for name in ("host_counts", "language_counts", "caption_chars_counts", "bucket_counts"):
        counted = sum(one["count"] for one in profile[name])
        assert counted in (0, len(valid))
    assert pool(outcome.profile_frame).rows_in == frame.height


@settings(
    max_examples=_EXAMPLES // 3, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(frame=_parts(), rows_per_slice=st.integers(1, 5))
def test_cutting_a_part_into_slices_changes_nothing(frame: pl.DataFrame, rows_per_slice: int) -> None:
    whole, sliced = _validated(frame, 1000), _validated(frame, rows_per_slice)
    assert sliced.valid.equals(whole.valid)
    assert sliced.quarantined.equals(whole.quarantined)
    sums = ["aspect_sum", "similarity_sum"]  # added in another order
    assert sliced.profile_frame.drop(sums).equals(whole.profile_frame.drop(sums))
