"""The page about statistics: its Python is run and its output compared, its tables are those of the code."""

import contextlib
import io
import re
from pathlib import Path

from laion_assets.analyze.analysis import result_names
from laion_assets.statistics.intervals import METHODS
from laion_assets.statistics.spec import RequirementSpec

PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def table(first_column: str) -> list[list[str]]:
    """The cells of the table whose first heading is this."""
    found = re.search(rf"^\| {re.escape(first_column)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found, first_column
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in found[1].splitlines()]


def test_the_python_of_the_page_prints_what_the_page_says() -> None:
    blocks = BLOCK.findall(PAGE)
    programs = [content for kind, content in blocks if kind == "python"]
    outputs = [content for kind, content in blocks if kind == "text"]
    assert len(programs) == len(outputs) == 2
    for program, output in zip(programs, outputs, strict=True):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(program, {})  # noqa: S102 (what a reader would do)
        assert printed.getvalue() == output


def test_every_method_and_its_mark_are_explained() -> None:
    assert {row[0].strip("`"): row[1] for row in table("method")} == {
        name: method.mark for name, method in METHODS.items()
    }


def test_the_settings_are_those_of_the_requirement() -> None:
    shown = {name.strip("`"): (default, meaning) for name, default, meaning in table("`requirement:`")}
    spec = RequirementSpec().model_dump()
    assert list(shown) == list(spec)
    for name, (default, meaning) in shown.items():
        value = spec[name]
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else "null" if value is None else f"{value:g}"
        assert default == text, name
        assert meaning == RequirementSpec.model_fields[name].description


def test_the_files_are_those_that_are_written() -> None:
    names = [row[0].strip("`").replace("<dataset>", "d") for row in table("file of `resolution_statistics`")]
    assert sorted(names) == sorted(result_names("d"))
