"""A publisher on loopback, and patience that does not keep a test waiting."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from laion_assets.sources.patience import Patience
from laion_assets_tests.sources.publisher import Publisher, serve

QUICK = Patience(attempts=4, first_pause_s=0.001, longest_pause_s=0.002, longest_asked_pause_s=3.0, silence_s=0.5)
ONCE = Patience(attempts=1, silence_s=0.5)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """A well-behaved publisher of nothing yet."""
    with serve(Publisher()) as running:
        yield running


@pytest.fixture(autouse=True)
def nobody_signed_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test meets the token of whoever runs it; huggingface_hub reads the place of its file only once."""
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
