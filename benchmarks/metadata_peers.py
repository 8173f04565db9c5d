"""What others would do with a part of metadata: a bare copy, a pandas script, Great Expectations on rows.

Each is written as well as we know how to write it, does at most what our own pass does, and compresses its files as
ours are.
"""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from laion_assets.lake.parquet import SETTINGS


def bare_copy(raw: Path, target: Path) -> None:
    """Read every byte, write every byte: what nothing that makes a new file of all rows can be faster than."""
    pl.scan_parquet(raw).sink_parquet(target, **SETTINGS)


def our_pass(raw: Path, target: Path) -> None:
    """Validated rows, and in folders beside theirs quarantine, profile and sketch; digests become data versions."""
    from laion_assets.lake.parquet import write_parquet
    from laion_assets.metadata import part_files
    from laion_assets.metadata.reading import open_published
    from laion_assets.metadata.rulebook import rulebook
    from laion_assets.metadata.sketch import SKETCHES, Sketch
    from laion_assets.metadata.validation import validate

    folders = [target.parent.with_name(name) for name in ("quarantined_metadata", "metadata_profile", SKETCHES)]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    quarantined, profile_path, sketch_path = [folder / target.name for folder in folders]
    sketch = Sketch(raw.stem, seed=0)
    with open_published(raw, part=raw.stem, scratch=target.parent) as table:
        profile = validate(table, rulebook(), valid_path=target, quarantine_path=quarantined, sketch=sketch)
    write_parquet(profile, profile_path)
    sketch.write(sketch_path, valid=target)
    for path in (target, quarantined, profile_path):
        part_files.describe(path)


def pandas_script(raw: Path, target: Path) -> None:
    """The same rules on Arrow-backed columns, flags as bits of one number, no lists; a profile of the same counts."""
    import numpy as np
    import pandas as pd

    rows = pd.read_parquet(raw, engine="pyarrow", dtype_backend="pyarrow")
    url, text, language = rows["URL"], rows["TEXT"], rows["LANGUAGE"]
    width, height = rows["WIDTH"], rows["HEIGHT"]
    number, tag = r"^-?[0-9]+(?:\.[0-9]+)?$", "^(?:UNLIKELY|UNSURE|NSFW|LIKELY|SAFE)$"

    def matches(column: "pd.Series", regex: str) -> "pd.Series":
        return column.str.contains(regex, regex=True).fillna(False)  # noqa: FBT003

    with_scheme = matches(url, "^[hH][tT][tT][pP][sS]?://")
    reasons = {
        "url_missing": url.isna(),
        "url_empty": (url == "").fillna(False),  # noqa: FBT003
        "url_not_http": ~with_scheme & url.notna(),
        "url_without_host": with_scheme & ~matches(url, r"^[hH][tT][tT][pP][sS]?://(?:[^/?#]*@)?[^/?#@:\x00-\x20\x7f]"),
        "url_too_long": (url.str.len() > 8000).fillna(False),  # noqa: FBT003
        "url_with_control_characters": matches(url, r"[\x00-\x1f\x7f]"),
        "caption_missing": text.isna(),
        "caption_blank": ~matches(text, r"[^\x00-\x20]") & text.notna(),
        "width_missing": width.isna(),
        "height_missing": height.isna(),
        "width_wrong": ((width <= 0) | (width > 65_500)).fillna(False),  # noqa: FBT003
        "height_wrong": ((height <= 0) | (height > 65_500)).fillna(False),  # noqa: FBT003
        "shifted_url": matches(url, f"{tag}|{number}"),
        "shifted_language": matches(language, f"{tag}|{number}"),
    }
    out = np.zeros(len(rows), dtype=bool)
    reason_bits = np.zeros(len(rows), dtype=np.int64)
    for position, reason in enumerate(reasons.values()):
        reason_marks = reason.to_numpy(dtype=bool)
        np.logical_or(out, reason_marks, out=out)
        reason_bits |= reason_marks.astype(np.int64) << position
    quarantined = rows[out].assign(reasons=reason_bits[out])
    quarantined.to_parquet(target.with_suffix(".quarantined.parquet"), compression="lz4")

    valid = rows[~out]
    url, text = valid["URL"], valid["TEXT"]
    wide, high = valid["WIDTH"].to_numpy(dtype="int64"), valid["HEIGHT"].to_numpy(dtype="int64")
    short, long = np.minimum(wide, high), np.maximum(wide, high)
    similarity = valid["similarity"].to_numpy(dtype="float64", na_value=np.nan)
    punsafe = valid["punsafe"].to_numpy(dtype="float32", na_value=np.nan)
    pwatermark = valid["pwatermark"].to_numpy(dtype="float32", na_value=np.nan)
    flags = [
        short < 1024,
        long > 5 * short,
        np.abs(similarity) > 1,
        np.isnan(punsafe),
        (punsafe < 0) | (punsafe > 1),
        np.isnan(pwatermark),
        (pwatermark < 0) | (pwatermark > 1),
        (text.str.len() > 10_000).to_numpy(dtype=bool),
        matches(text, r"(?i)^[^\x00-\x20]+\.(?:jpe?g|png|gif|webp|avif|bmp|tiff?)$").to_numpy(dtype=bool),
        matches(text, r"(?i)^(?:https?://|www\.)[^\x00-\x20]+$").to_numpy(dtype=bool),
        url.duplicated().to_numpy(dtype=bool),
        valid.duplicated(["URL", "TEXT"]).to_numpy(dtype=bool),
    ]
    flag_bits = np.zeros(len(valid), dtype=np.int64)
    for position, mark in enumerate(flags):
        flag_bits |= mark.astype(np.int64) << position
    valid.assign(flags=flag_bits).to_parquet(target, compression="lz4")

    for counted in (valid["WIDTH"], valid["HEIGHT"], pd.Series(short), pd.Series(wide * high // 10_000)):
        counted.value_counts()
    valid["LANGUAGE"].value_counts()
    url.str.split("/", n=3, expand=False).list[2].value_counts().head(200)  # type: ignore[attr-defined]
    for values in (similarity, punsafe, pwatermark):
        pd.Series(np.floor(100 * values)).value_counts()
        np.nanquantile(values, [0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
    valid[["punsafe", "pwatermark"]].isna().groupby(valid["LANGUAGE"]).sum()


def great_expectations_on_rows(raw: Path, target: Path) -> None:  # noqa: ARG001 (it writes nothing)
    """The twins of our rules, checked row by row on its pandas engine. It neither splits nor counts nor writes."""
    from laion_assets.metadata.columns import map_columns
    from laion_assets.metadata.derived import REPEATS
    from laion_assets.metadata.gx_engine import run_suite
    from laion_assets.metadata.rulebook import rulebook

    published = pl.read_parquet(raw)
    names = {name: canonical for canonical, name in map_columns(published.schema, where="").canonical.items()}
    rows = published.rename(names)
    rows = rows.with_columns(
        short_side=pl.min_horizontal("declared_width", "declared_height"),
        elongation=pl.max_horizontal("declared_width", "declared_height")
        / pl.min_horizontal("declared_width", "declared_height"),
    )
    applicable, _ = rulebook().for_columns(set(names.values()))
    suite = []
    for rule in applicable.rules:
        if rule.twin and not rule.columns & REPEATS.keys():
            kwargs = {key: rule.limit if value == "{limit}" else value for key, value in rule.twin.kwargs.items()}
            suite.append({"type": rule.twin.type, "kwargs": kwargs})
    run_suite(rows.to_pandas(), suite, suite_name="rows", table_name="part")


CONTENDERS: dict[str, Callable[[Path, Path], None]] = {
    "bare polars copy": bare_copy,
    "ours": our_pass,
    "pandas script": pandas_script,
    "Great Expectations on rows": great_expectations_on_rows,
}
COPY, OURS, PANDAS, GX = CONTENDERS
