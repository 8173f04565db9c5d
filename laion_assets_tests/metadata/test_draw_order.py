"""The order in which rows are drawn is the documented one, and never changes."""

import hashlib

import numpy as np

from laion_assets.metadata.draw_order import score


def test_the_score_is_the_documented_one_for_ever() -> None:
    # They must never change: a sample drawn today must be drawn again in ten years.
    rows = np.array([0, 1, 2, 1_329_999, 2**32 - 1], np.uint32)
    assert [int(value) for value in score(0, "part-00000", rows)] == [
        0xB2099CD26DDB3F5F,
        0x8E944347DC11B80C,
        0xFEAA0E97E2B40CD3,
        0x8D9F32EFCC38DE12,
        0xC2322BF43F3037E6,
    ]
    assert [int(value) for value in score(2**64 - 1, "größe", rows[:2])] == [
        0x3C4DC4A83202A617,
        0xF91A6427A5908CC8,
    ]


def by_hand(seed: int, part: str, row: int) -> int:
    """The documentation of score(), in Python's unbounded integers."""
    mask = 2**64 - 1

    def mix(value: int) -> int:
        value = (value + 0x9E3779B97F4A7C15) & mask
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        return value ^ (value >> 31)

    digest = int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], "little")
    start = mix(mix(seed) ^ digest)
    return mix((start + row * 0x9E3779B97F4A7C15) & mask)


def test_the_score_is_a_splitmix64_stream_per_part() -> None:
    # The first outputs of SplitMix64 from state 1234567, as published with the reference implementation.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    mask, gamma = 2**64 - 1, 0x9E3779B97F4A7C15
    state = 1234567
    outputs = []
    for _ in published:
        state = (state + gamma) & mask
        value = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        outputs.append(value ^ (value >> 31))
    assert outputs == published
    rows = np.array([0, 1, 99, 1_329_999, 2**32 - 1], np.uint32)
    for seed, name in ((0, "part-00000"), (7, "part-00127"), (2**64 - 1, "größe")):
        assert [int(value) for value in score(seed, name, rows)] == [by_hand(seed, name, int(row)) for row in rows]
