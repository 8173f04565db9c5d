"""How far a download is: each worker says so in a small file, the process that started them adds them up.

Files, because they cross every border a worker may live behind: a spawned process, a Spark executor on the same disk.
"""

import asyncio
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

_EVERY_S = 0.5
_SUFFIX = ".progress"
_MOST_OUTCOMES = 4
_FAILURE_SUFFIX = ".failure"


@dataclass
class ShardProgress:
    """One shard in the making; written by its worker alone."""

    folder: Path
    shard: int
    rows: int
    done: int = 0
    image_bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def row_done(self, outcome: str, image_bytes: int) -> None:
        """Count a row that ended."""
        self.done += 1
        self.image_bytes += image_bytes
        self.outcomes[outcome] += 1

    async def keep_saying(self) -> None:
        """Write the file anew twice a second, until cancelled."""
        while True:
            self.say()
            await asyncio.sleep(_EVERY_S)

    def say(self, *, finished: bool = False) -> None:
        """Write the file anew."""
        content = {
            "pid": os.getpid(),
            "shard": self.shard,
            "rows": self.rows,
            "done": self.done,
            "image_bytes": self.image_bytes,
            "outcomes": self.outcomes,
            "finished": finished,
        }
        path = self.folder / f"{self.shard}{_SUFFIX}"
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(content))
        draft.replace(path)


@dataclass(frozen=True)
class Progress:
    """All shards of a job together, so far."""

    rows: int
    done: int
    images: int
    image_bytes: int
    outcomes: dict[str, int]
    seconds: float
    dead_workers: tuple[int, ...]
    """Shards whose worker is gone although they are not finished."""

    def line(self) -> str:
        """One line for a person."""
        rate = self.done / self.seconds if self.seconds else 0.0
        left = f"{(self.rows - self.done) / rate:,.0f} s left" if rate else "waiting for the first answer"
        if self.done == self.rows:
            left = f"done in {self.seconds:,.0f} s"
        share = self.images / self.done if self.done else 0.0
        megabytes = self.image_bytes / 1e6 / self.seconds if self.seconds else 0.0
        failed = sorted(((count, word) for word, count in self.outcomes.items() if word != "ok"), reverse=True)
        others = "".join(f", {word} {count:,}" for count, word in failed[:_MOST_OUTCOMES])
        return (
            f"{self.done:,} of {self.rows:,} rows, {share:.1%} images, {rate:,.0f} rows/s, {megabytes:,.1f} MB/s, "
            f"{left}{others}"
        )


def read_progress(folder: Path, *, rows: int, started: float) -> Progress:
    """Add up what the workers said.

    Args:
        folder: the job's scratch folder.
        rows: all rows of the job.
        started: ``time.monotonic()`` when the job began.
    """
    done = image_bytes = 0
    outcomes: Counter[str] = Counter()
    dead = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        said = json.loads(path.read_text())
        done += said["done"]
        image_bytes += said["image_bytes"]
        outcomes.update(said["outcomes"])
        failed = (folder / f"{said['shard']}{_FAILURE_SUFFIX}").exists()
        if not said["finished"] and not failed and not _is_alive(said["pid"]):
            dead.append(said["shard"])
    seconds = time.monotonic() - started
    return Progress(rows, done, outcomes.get("ok", 0), image_bytes, dict(outcomes), seconds, tuple(dead))


@dataclass(frozen=True)
class ShardFailure:
    """Why a shard could not be made."""

    finding: str
    retryable: bool
    """Whether another attempt, with nothing changed on our side, can help."""


def say_failure(folder: Path, shard: int, finding: str, *, retryable: bool = False) -> None:
    """Leave word that a shard could not be made."""
    said = json.dumps({"finding": finding, "retryable": retryable})
    (folder / f"{shard}{_FAILURE_SUFFIX}").write_text(said)


def forget_failure(folder: Path, shard: int) -> None:
    """The shard is tried again."""
    (folder / f"{shard}{_FAILURE_SUFFIX}").unlink(missing_ok=True)


def read_failures(folder: Path) -> dict[int, ShardFailure]:
    """Which shards could not be made, and why."""
    said = sorted(folder.glob(f"*{_FAILURE_SUFFIX}"))
    return {int(path.stem): ShardFailure(**json.loads(path.read_text())) for path in said}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
