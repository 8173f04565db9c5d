"""What is said where Spark or Ray cannot be used, and that Ray keeps to as many processes as may ask the web.

That they download what one process does is tested in ``test_download`` where they are installed.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from laion_assets.shards.distributors import held_to, require
from laion_assets.shards.job import DownloadError


def test_spark_without_java_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyspark.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pyspark", raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DownloadError, match=r"pyspark finds no Java\. Install a runtime, set JAVA_HOME to it, or use"):
        require("pyspark")
    (tmp_path / "java").touch(mode=0o755)
    require("pyspark")


class Ray(ModuleType):
    """Stands for the package: a machine, or a cluster that is there already, with so many slots."""

    def __init__(self, slots: int) -> None:
        super().__init__("ray")
        self.slots, self.running = slots, False

    def init(self, *, num_cpus: int | None = None, **_: Any) -> None:  # noqa: ANN401 (Ray's many options)
        self.slots, self.running = num_cpus or self.slots, True

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.slots)}

    def shutdown(self) -> None:
        self.running = False


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    stand_in = Ray(slots=64)
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return stand_in


def hold(processes: int, *, shards: int) -> None:
    with held_to("ray", processes, shards=shards):
        pass


def test_ray_has_as_many_processes_at_once_as_were_asked_for(ray: Ray) -> None:
    with held_to("ray", 3, shards=9):
        assert (ray.slots, ray.running) == (3, True)
    assert not ray.running


def test_a_cluster_of_ray_that_would_ask_more_at_once_is_refused(ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "cluster.example:6379")
    with pytest.raises(DownloadError, match="runs 64 tasks at once and 4 processes may ask"):
        hold(4, shards=100)
    assert not ray.running
    with held_to("ray", 64, shards=100):
        assert ray.running


def test_a_cluster_of_ray_with_more_slots_than_shards_to_make_runs_no_more_tasks_than_these(
    ray: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "cluster.example:6379")
    hold(3, shards=3)
    with pytest.raises(DownloadError, match="runs 3 tasks at once and 2 processes may ask"):
        hold(2, shards=3)
    assert not ray.running
