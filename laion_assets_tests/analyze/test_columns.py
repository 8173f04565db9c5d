"""What the user says about columns, and what is said back."""

import pytest

from laion_assets.analyze.columns import ColumnsRead, parse_columns, told


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ((), {}),
        (("url=link,caption=title",), {"url": ["link"], "caption": ["title"]}),
        (("url=#1", "text=#2"), {"url": ["#1"], "caption": ["#2"]}),
        (("Width=W, height = H ,",), {"declared_width": ["W"], "declared_height": ["H"]}),
        (("url=a=b",), {"url": ["a=b"]}),
    ],
)
def test_pairs_become_aliases_of_canonical_columns(options: tuple[str, ...], columns: dict[str, list[str]]) -> None:
    assert parse_columns(options) == columns


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("link", "'link' is not of the form name=published"),
        ("url=", "'url=' is not of the form name=published"),
        ("widht=w", r"no column 'widht'. Did you mean width\?"),
        ("xyzzy=w", "no column 'xyzzy'. Known: url, caption, declared_width"),
        ("url=a,url=b", "url is given twice, as 'a' and 'b'"),
    ],
)
def test_what_cannot_be_meant_is_refused(option: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_columns((option,))


def test_what_was_guessed_is_told_from_what_was_said() -> None:
    read = ColumnsRead({"url": "picture", "caption": "alt"}, ("licence", "x" * 300))
    line = told(read, {"url": ["picture"]})
    assert line.startswith(
        "caption = alt (guessed); url = picture (as told); no declared sizes: unknown until probed; not used: licence, "
    )
    assert len(line) < 200


def test_a_column_s_name_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in told(ColumnsRead({"url": "u\x1b[31mrl"}, ("\x1b]0;x\x07",)), {})
