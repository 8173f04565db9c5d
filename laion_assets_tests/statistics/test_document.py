"""statistics.json is read by other tools: its schema is written down, closed, and the same bytes come out each time."""

import functools
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import laion_assets.statistics
from laion_assets.statistics.declared import Declared
from laion_assets.statistics.display import FORMATS, count, hours, percent, resolve, size
from laion_assets.statistics.document import SCHEMA_VERSION, Statistics
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.figure import analysis_png, panel_png
from laion_assets.statistics.measure import measure
from laion_assets.statistics.pictured import pictured
from laion_assets.statistics.publish import json_of
from laion_assets.statistics.report import html_report, markdown_report
from laion_assets.statistics.sample_csv import sample_csv
from laion_assets.statistics.spec import RequirementSpec
from laion_assets.statistics.theme import DARK, LIGHT
from laion_assets_tests.statistics.populations import draw, population, probe, profiles

SCHEMA = Path(laion_assets.statistics.__file__).parent / "statistics.schema.json"


def evidence() -> Evidence:
    rows = probe(population(600))
    return Evidence.of(
        draw(rows, 300), declared=Declared.of(profiles(rows)), requirement=RequirementSpec(), minimum_side_px=1024
    )


@functools.cache
def document() -> bytes:
    return json_of(measure(evidence(), dataset="d", title="D"))


def content() -> list[bytes]:
    """One file of every kind; the other panels are drawn by the same code."""
    observed = evidence()
    found = measure(observed, dataset="d", title="D")
    data = pictured(observed, found)
    panels = {"anomaly": panel_png("anomaly", data, LIGHT, DARK)}
    page, text = html_report(found, panels), markdown_report(found)
    return [json_of(found), sample_csv(observed), page.encode(), text.encode(), analysis_png(data)]


def test_the_schema_that_is_written_down_is_the_schema() -> None:
    """When this fails on purpose: raise SCHEMA_VERSION unless fields were only added, then write the file again."""
    now = json.dumps(Statistics.model_json_schema(), indent=1, sort_keys=True) + "\n"
    assert SCHEMA.read_text() == now, "python -m laion_assets_tests.statistics.test_document writes it"


def test_every_field_that_needs_explaining_is_explained() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert schema["properties"]["schema_version"]["const"] == SCHEMA_VERSION
    described = [name for name, part in schema["$defs"].items() if part.get("description")]
    generic = [name for name in schema["$defs"] if name.startswith("Views_")]
    assert set(schema["$defs"]) - set(described) - set(generic) == set()


def test_what_is_written_can_be_read() -> None:
    assert json_of(Statistics.model_validate_json(document())) == document()


def test_another_schema_version_is_refused() -> None:
    other = json.loads(document()) | {"schema_version": 99}
    with pytest.raises(ValidationError, match="schema_version"):
        Statistics.model_validate(other)


def test_the_bytes_depend_on_nothing_but_the_rows() -> None:
    """Not on the process, its hash seed, its threads, the time zone or the locale."""
    code = (
        "import hashlib; from laion_assets_tests.statistics.test_document import content; "
        "print(*[hashlib.sha256(made).hexdigest() for made in content()])"
    )
    other = {"PYTHONHASHSEED": "2", "POLARS_MAX_THREADS": "4", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | other, stdout=subprocess.PIPE, text=True
    ) as process:
        here = [hashlib.sha256(made).hexdigest() for made in content()]
        assert process.communicate()[0].split() == here


def test_the_order_of_the_parts_does_not_matter() -> None:
    rows = probe(population(600))
    sample, profile = draw(rows, 300), profiles(rows)
    made = [
        measure(
            Evidence.of(frame, declared=Declared.of(parts), requirement=RequirementSpec(), minimum_side_px=1024),
            dataset="d",
            title="D",
        )
        for frame, parts in ((sample, profile), (sample.reverse(), profile.reverse()))
    ]
    assert made[0].model_dump_json() == made[1].model_dump_json()


def test_a_sample_without_its_columns_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"'caption'.*materialise it again"):
        Evidence.of(
            draw(population(10), 5).drop("caption"), declared=None, requirement=RequirementSpec(), minimum_side_px=1024
        )


def test_edges_must_ascend() -> None:
    with pytest.raises(ValidationError, match="ascending"):
        RequirementSpec(edges_px=(2048, 1024))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"), (1, "100 %"), (0.165, "16.5 %"), (0.00123, "0.12 %"), (0.9987, "99.87 %"), (0.99, "99.0 %"),
        (0.00004, "0.004 %"), (0.999996, "99.9996 %"), (1e-8, "< 0.0001 %"), (1 - 1e-8, "> 99.9999 %"),
        (None, "\u2013"),
    ],
)  # fmt: skip
def test_only_none_and_all_read_as_none_and_all(share: float | None, text: str) -> None:
    assert percent(share).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (32_968.4, "32,968"), (999_499, "999,499"), (999_500, "1.00 million"),
     (132_456_789, "132 million"), (2.5e9, "2.50 billion")],
)  # fmt: skip
def test_counts_read_well(number: float, text: str) -> None:
    assert count(number).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.00 KB"), (433_000, "433 KB"), (999_600, "1.00 MB"),
     (9.87e13, "98.7 TB"), (2e15, "2.00 PB")],
)  # fmt: skip
def test_sizes_read_well(number: float, text: str) -> None:
    assert size(number).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("number", "text"), [(0.001, "3.6 seconds"), (0.5, "30.0 minutes"), (3, "3.00 hours"), (100, "4.17 days")]
)
def test_times_read_well(number: float, text: str) -> None:
    assert hours(number).replace("\u00a0", " ") == text


@pytest.mark.parametrize("form", list(FORMATS))
def test_what_is_unknown_is_a_dash_in_every_format(form: str) -> None:
    assert FORMATS[form](None) == "\u2013"


def test_a_path_to_nothing_is_an_error() -> None:
    with pytest.raises(KeyError):
        resolve({"a": [{"name": "b"}]}, "a/c")
    assert resolve({"a": [{"name": "b", "v": 1}]}, "a/b/v") == 1
    assert resolve({"a": [{"name": "b", "v": 1}]}, "a/0/v") == 1


def test_a_stranger_s_name_that_is_a_number_is_no_position() -> None:
    languages = {"languages": [{"name": "1", "v": 7}, {"name": "0", "v": 8}]}
    assert [resolve(languages, f"languages/{place}/v") for place in (0, 1)] == [7, 8]
    levels = {"thresholds": [{"minimum_side_px": 2, "v": 7}, {"minimum_side_px": 1, "v": 8}]}
    assert resolve(levels, "thresholds/1/v") == 8


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(Statistics.model_json_schema(), indent=1, sort_keys=True) + "\n")
