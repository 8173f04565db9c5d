"""What takes long to import is imported when it is used, not with the modules that may come to use it."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Done one after the other in one process: each with what is not to be loaded by then.
NOT_YET = {
    "import laion_assets.sandbox": {"numpy", "polars", "uvloop", "importlib.metadata"},
    "import laion_assets.web.resource, laion_assets.web.url": {"aiohttp", "pycares", "tldextract"},
    "import laion_assets.sources.assets": {"huggingface_hub", "s3fs", "botocore", "aiohttp"},
    "import laion_assets.metadata.assets, laion_assets.metadata.checks": {
        "great_expectations", "pandas", "scipy", "mmh3", "matplotlib"
    },
    "import laion_assets.statistics.assets, laion_assets.statistics.publish": {"matplotlib"},
    "from laion_assets.definitions import defs; defs().resolve_asset_graph()": {
        "great_expectations", "img2dataset", "matplotlib", "cv2", "albumentations", "webdataset", "huggingface_hub"
    },
    # Drawing, without the part of it that keeps global state.
    "from laion_assets.statistics.figure import panel_png; from laion_assets.statistics.theme import LIGHT; "
    "from laion_assets_tests.statistics.test_figures import odd; panel_png('classes', odd('one row'), LIGHT)": {
        "matplotlib.pyplot"
    },
}  # fmt: skip


@functools.cache
def loaded() -> dict[str, list[str]]:
    """The modules that are loaded after each of the steps."""
    report = "import json, sys\nloaded = {}\n"
    for step in NOT_YET:
        report += f"{step}\nloaded[{step!r}] = sorted(sys.modules)\n"
    report += "print(json.dumps(loaded))"
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", report], check=True, capture_output=True, text=True)
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("step", NOT_YET)
def test_what_is_not_used_is_not_loaded(step: str) -> None:
    assert not NOT_YET[step] & set(loaded()[step])


@pytest.mark.parametrize("entry", ["laion_assets.cli", "laion_assets.definitions", "benchmarks.metadata"])
def test_how_long_memory_is_kept_is_said_before_polars_is_loaded(entry: str) -> None:
    name = "_RJEM_MALLOC_CONF"  # polars adds to it when it is loaded; its allocator looks at it once
    code = f"import os, {entry}, polars; print(os.environ[{name!r}])"
    unset = {key: value for key, value in os.environ.items() if key != name}
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=unset, check=True, capture_output=True, text=True)
    assert ran.stdout.strip().endswith("dirty_decay_ms:30000")


def test_what_is_imported_is_not_looked_through_for_garbage_again_and_again() -> None:
    code = (
        "import atexit, gc\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 100_000))\n"  # run last: the first registered
        "generations = []\n"
        "gc.callbacks.append(lambda phase, info: generations.append(info['generation']))\n"
        "import laion_assets\n"
        "generations.clear()\n"
        "from laion_assets.definitions import defs; defs()\n"
        "print(generations.count(2))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert ran.stdout.splitlines() == ["0", "True"]


def test_drawing_does_load_what_draws() -> None:
    *_, drawn = loaded().values()
    assert "matplotlib.figure" in drawn
