"""Telling people how far a fetch is."""

from laion_assets.sources.progress import ProgressLog


def test_a_quick_fetch_says_nothing() -> None:
    lines: list[str] = []
    log = ProgressLog("it", lines.append)
    for held in range(100):
        log.saw(held, 100)
    assert lines == []


def test_a_long_one_says_how_far_it_is() -> None:
    lines: list[str] = []
    log = ProgressLog("it", lines.append, every_s=0.0)
    log.saw(10_000_000, 50_000_000)
    log.saw(20_000_000, None)
    assert lines[0].startswith("it: 10 of 50 MB, ")
    assert lines[1].startswith("it: 20 MB, ")
    assert lines[1].endswith(" MB/s")
