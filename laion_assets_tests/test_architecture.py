"""What CONTRIBUTING promises about the shape of the code."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "laion_assets"

# A room may import rooms that stand after it; the top-level modules may import every room.
ROOMS = (
    "sandbox",
    "automation",
    "comparison",
    "shards",
    "subsets",
    "statistics",
    "probes",
    "metadata",
    "web",
    "sources",
    "lake",
)
FACES = ("assets.py", "checks.py", "resource.py")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def room_of(path: Path) -> str | None:
    first = path.relative_to(PACKAGE).parts[0]
    return first if first in ROOMS else None


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down_the_chain(path: Path) -> None:
    room = room_of(path)
    if room is None:
        return
    for name in imported_by(path):
        if name.startswith("laion_assets."):
            target = name.split(".")[1]
            assert target in ROOMS, f"{path.name} of room {room} imports {name}, which is above all rooms"
            assert ROOMS.index(target) >= ROOMS.index(room), f"room {room} imports room {target}, which is above it"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_faces_know_dagster(path: Path) -> None:
    if room_of(path) in (None, "automation") or path.name.endswith(FACES):
        return
    assert not [name for name in imported_by(path) if name.split(".")[0] == "dagster"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_belongs_in_it(path: Path) -> None:
    if path.read_text().strip():
        assert ast.get_docstring(parsed(path))
