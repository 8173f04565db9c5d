"""Published names and types find their canonical column, or one sentence says what was found instead."""

from collections.abc import Callable

import polars as pl
import pytest

from laion_assets.metadata.columns import map_columns
from laion_assets.metadata.errors import SchemaMismatchError
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets_tests.metadata.conftest import PUBLISHED_SCHEMA, Pass, rows

_COYO = {
    "id": pl.Int64(),
    "url": pl.String(),
    "text": pl.String(),
    "width": pl.Int32(),
    "height": pl.Int32(),
    "image_phash": pl.String(),
    "clip_similarity_vitb32": pl.Float32(),
    "clip_similarity_vitl14": pl.Float32(),
    "nsfw_score_opennsfw2": pl.Float32(),
    "watermark_score": pl.Float32(),
}
_DATACOMP = {
    "uid": pl.String(),
    "url": pl.String(),
    "text": pl.String(),
    "original_width": pl.Int64(),
    "original_height": pl.Int64(),
    "clip_b32_similarity_score": pl.Float32(),
    "face_bboxes": pl.List(pl.List(pl.Float64())),
    "sha256": pl.String(),
}


def test_names_are_found_in_any_case() -> None:
    upper = map_columns({name.upper(): dtype for name, dtype in PUBLISHED_SCHEMA.items()}, where="f (p)")
    assert dict(upper.canonical) == {
        "url": "URL",
        "caption": "TEXT",
        "declared_width": "WIDTH",
        "declared_height": "HEIGHT",
        "similarity": "SIMILARITY",
        "language": "LANGUAGE",
        "row_hash": "HASH",
        "pwatermark": "PWATERMARK",
        "punsafe": "PUNSAFE",
    }
    assert upper.extras == {}


def test_the_schemas_of_other_datasets_are_understood_without_configuration() -> None:
    coyo = map_columns(_COYO, where="f (p)")
    assert coyo.canonical["similarity"] == "clip_similarity_vitb32"
    assert coyo.canonical["pwatermark"] == "watermark_score"
    assert list(coyo.extras.values()) == ["id", "image_phash", "clip_similarity_vitl14"]
    datacomp = map_columns(_DATACOMP, where="f (p)")
    assert datacomp.canonical["declared_width"] == "original_width"
    assert list(datacomp.extras.values()) == ["uid", "face_bboxes", "sha256"]


def test_names_of_the_yaml_come_first() -> None:
    schema = {"url": pl.String(), "link_to_original": pl.String(), "text": pl.String()}
    mapped = map_columns(schema, {"url": ["link_to_original"]}, where="f (p)")
    assert mapped.canonical["url"] == "link_to_original"
    assert mapped.extras == {"url": "url_published"}, "a published name may not pose as a canonical column"


_NO_URL = "no column for 'url' (looked for 'url' or 'image_url' or 'img_url' or 'link'). Found"
_NO_CAPTION = (
    "no column for 'caption' (looked for 'caption_en' or 'text' or 'caption' or 'alt' or 'alt_text' or 'top_caption' "
    "or 'prompt' or 'title' or 'description'). Found"
)
_MAP = "Map it in defs.yaml under columns:"


@pytest.mark.parametrize(
    ("schema", "columns", "sentence"),
    [
        (
            {"href": pl.String(), "text": pl.String()},
            {},
            f"{_NO_URL} 'href' (String), 'text' (String). {_MAP} {{url: [<its name>]}}.",
        ),
        (
            {"url": pl.Int64(), "text": pl.String()},
            {},
            "column 'url' is Int64, which cannot be 'url' (String). Found 'url' (Int64), 'text' (String). "  # noqa: ISC004
            "Map 'url' to another column in defs.yaml.",
        ),
        (
            {"url": pl.String(), "width": pl.List(pl.Int32())},
            {},
            "column 'width' is List(Int32), which cannot be 'declared_width' (Int32). "  # noqa: ISC004
            "Found 'url' (String), 'width' (List(Int32)). Map 'declared_width' to another column in defs.yaml.",
        ),
        (
            {"url": pl.String(), "caption_de": pl.String()},
            {"caption": ["caption_en"]},
            f"{_NO_CAPTION} 'url' (String), 'caption_de' (String). {_MAP} {{caption: [caption_de]}}.",
        ),
        ({}, {}, f"{_NO_URL} no columns. {_MAP} {{url: [<its name>]}}."),
    ],
)
def test_a_mismatch_names_file_part_and_what_was_found(
    schema: dict[str, pl.DataType], columns: dict[str, list[str]], sentence: str
) -> None:
    with pytest.raises(SchemaMismatchError) as caught:
        map_columns(schema, columns, where="part.parquet (part-00003)")
    assert str(caught.value) == f"part.parquet (part-00003): {sentence}"


def test_a_canonical_name_that_is_none_is_refused() -> None:
    with pytest.raises(SchemaMismatchError, match=r"no canonical column 'widht'\. Did you mean 'declared_width'\?"):
        map_columns({"url": pl.String()}, {"widht": ["w"]}, where="f (p)")


def test_a_column_that_nobody_asked_for_may_be_missing() -> None:
    assert set(map_columns({"url": pl.String()}, {"url": ["original_url"]}, where="f (p)").canonical) == {"url"}


def test_stray_index_columns_are_dropped_and_further_columns_kept_after_the_flags(passed: Callable[..., Pass]) -> None:
    frame = rows({}, {"URL": None}).with_columns(
        pl.Series("__index_level_0__", [7, 8]),
        pl.Series("Unnamed: 0", [1, 2]),
        pl.Series("NSFW", ["UNLIKELY", "UNSURE"]),
        pl.Series("row", ["a", "b"]),
        pl.Series("Flags", ["f", "g"]),
    )
    outcome = passed(frame)
    assert outcome.valid.columns == [*VALIDATED_SCHEMA, "nsfw", "row_published", "flags_published"]
    assert outcome.valid.select("nsfw", "row_published", "flags_published").rows() == [("UNLIKELY", "a", "f")]
    assert outcome.quarantined.columns == [
        "part", "row", "reasons", *PUBLISHED_SCHEMA, "__index_level_0__", "Unnamed: 0", "NSFW", "row_published", "Flags"
    ]  # fmt: skip
    assert outcome.quarantined.row(0, named=True)["__index_level_0__"] == 8
    used = {one["name"]: one["used_as"] for one in outcome.profile["published_columns"]}
    assert used["URL"] == "url"
    assert used["NSFW"] == "nsfw"
    assert used["__index_level_0__"] is None


@pytest.mark.parametrize(
    ("published", "kept"),
    [
        ("name", "name"),
        ("Count", "count"),
        ("*", "*_published"),
        ("^.*$", "^.*$_published"),
        ("__lost__url", "__lost__url"),
        ("short_side", "short_side_published"),
        ("repeats_url", "repeats_url_published"),
    ],
)
def test_a_further_column_may_be_called_anything_and_poses_as_nothing(
    passed: Callable[..., Pass], published: str, kept: str
) -> None:
    frame = rows({}, {"URL": None}, {"WIDTH": 800}).with_columns(pl.Series(published, [True, False, True]))
    outcome = passed(frame)
    assert outcome.valid.get_column(kept).to_list() == [True, True]
    assert outcome.quarantined.to_series(-1).to_list() == [False]
    assert outcome.rules == {"url_missing": 1, "below_minimum": 1}
    assert outcome.counts("null_counts")[kept] == 0


def test_validated_rows_have_exactly_the_validated_schema_whatever_is_published(passed: Callable[..., Pass]) -> None:
    for frame in (rows({}, {}), rows({}).select("URL"), rows({"URL": None})):
        assert passed(frame).valid.schema == pl.Schema(VALIDATED_SCHEMA)
