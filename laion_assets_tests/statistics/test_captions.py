import polars as pl
import pytest

from laion_assets.statistics.captions import characters, is_blank, is_boilerplate, is_file_name, is_web_address, words
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.spec import RequirementSpec
from laion_assets.statistics.texts import captions
from laion_assets_tests.statistics.populations import draw, population

TEXT = pl.col("caption")


def says(expression: pl.Expr, text: str | None) -> object:
    return pl.DataFrame({"caption": [text]}, schema={"caption": pl.String}).select(expression).item()


@pytest.mark.parametrize("text", [None, "", "  \t\n"])
def test_blank(text: str | None) -> None:
    assert says(is_blank(TEXT), text)
    assert not says(is_boilerplate(TEXT), text)


@pytest.mark.parametrize(
    "text",
    ["image", "IMG", "Image 12",
     "Photo #3", "IMG_2041", "DSC 0042", "untitled", "Untitled.", "n/a", "null", "image 3 of 7",
     "thumbnail", "product image", "12345", "--- ***", "Placeholder", "loading...", "Click to enlarge"],
)  # fmt: skip
def test_boilerplate(text: str) -> None:
    assert says(is_boilerplate(TEXT), text)


@pytest.mark.parametrize(
    "text",
    ["image of a red oak table", "Photo by Anna", "logo design for a bakery", "default settings of the camera",
     "red oak", "東京タワー", "Канал", "no name brand shoes", "7 wonders", "image " * 50],
)  # fmt: skip
def test_a_caption_that_says_something_is_kept(text: str) -> None:
    assert not says(is_boilerplate(TEXT), text)
    assert not says(is_file_name(TEXT), text)
    assert not says(is_web_address(TEXT), text)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("a.jpg", True), ("Red-Oak_1.JPEG", True), ("a b.jpg", False), (".jpg", False), ("jpg", False)],
)
def test_file_names(text: str, answer: bool) -> None:  # noqa: FBT001
    assert says(is_file_name(TEXT), text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [("http://a.example/b", True), ("WWW.a.example", True), ("see http://a.example", False), ("httpd", False)],
)
def test_web_addresses(text: str, answer: bool) -> None:  # noqa: FBT001
    assert says(is_web_address(TEXT), text) == answer


def test_lengths_do_not_count_the_white_space_around() -> None:
    assert says(characters(TEXT), "  red  oak \n") == 8
    assert says(words(TEXT), "  red  oak \n") == 2
    assert says(words(TEXT), None) == 0


def test_a_million_characters_are_no_trouble() -> None:
    text = "-" * 1_000_000
    assert says(characters(TEXT), text) == 1_000_000
    assert not says(is_boilerplate(TEXT), text)


def test_a_caption_is_repeated_beside_another_url_not_beside_its_own() -> None:
    rows = population(5).with_columns(
        url=pl.Series([f"https://a.example/{name}.jpg" for name in "aabcd"]),
        caption=pl.Series(["a red house", "a red house", "a blue door", "A blue door ", "a cat"]),
    )
    evidence = Evidence.of(draw(rows, 5), declared=None, requirement=RequirementSpec(), minimum_side_px=1024)
    assert captions(evidence).repeated.count == 2
