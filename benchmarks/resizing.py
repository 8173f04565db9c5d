"""Making images smaller: our resizer beside img2dataset's, in one thread and without downloads.

``python -m benchmarks.resizing [--quick] [--json FILE]``. The images are those of ``benchmarks.download``. Both take
turns on every image, several rounds of it, and the quickest of each counts: what else the machine does falls out.
"""

import argparse
import io
import time
from pathlib import Path

import cv2
from rich.console import Console

from benchmarks.claims import Claim, show, write
from benchmarks.download import GOAL_RESIZED, make_images
from laion_assets.shards.planes import libturbojpeg
from laion_assets.shards.resizing import QuickResizer
from laion_assets.shards.upstream import Resizer

TARGETS = ((1024, "keep_ratio_largest"), (512, "keep_ratio_largest"), (256, "keep_ratio"))
PEER = "img2dataset"


def milliseconds(images: list[bytes], resizers: list[Resizer], rounds: int) -> list[float]:
    """Per image on average, of each resizer its quickest round per image."""
    totals = [0.0] * len(resizers)
    for image in images:
        best = [float("inf")] * len(resizers)
        for _ in range(rounds):
            for place, resizer in enumerate(resizers):
                began = time.perf_counter()
                resizer(io.BytesIO(image))
                best[place] = min(best[place], time.perf_counter() - began)
        totals = [total + quickest for total, quickest in zip(totals, best, strict=True)]
    return [1000 * total / len(images) for total in totals]


def compare(images: list[bytes], size: int, mode: str, rounds: int) -> Claim:
    """One line of the table and of the JSON."""
    both = [kind(size, mode, True, skip_reencode=True) for kind in (Resizer, QuickResizer)]  # noqa: FBT003
    theirs, ours = milliseconds(images, both, rounds)
    side = "long" if mode == "keep_ratio_largest" else "short"
    claim = f"an image made smaller, to {size} px on its {side} side"
    ratio = theirs / ours
    return Claim(claim, "ms", ours, theirs, PEER, ratio, goal=f">= {GOAL_RESIZED:g} x", met=ratio >= GOAL_RESIZED)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer images, within a minute")
    arguments.add_argument("--json", type=Path, help="write the claims to this file")
    asked = arguments.parse_args()
    cv2.setNumThreads(1)
    images = make_images(30 if asked.quick else 300)
    print(f"{'with' if libturbojpeg() else 'without'} libturbojpeg")
    console, claims = Console(), []
    for size, mode in TARGETS:
        with console.status(f"to {size} px"):
            claims.append(compare(images, size, mode, 3 if asked.quick else 5))
    show(claims, console)
    if asked.json:
        write(claims, asked.json)


if __name__ == "__main__":
    main()
