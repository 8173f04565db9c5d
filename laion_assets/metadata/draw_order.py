"""In which order a dataset's rows are drawn: every row has a score, and the smallest come first.

A score depends on the seed, the key of the row's part and its position in it, and on nothing else: not on the other
parts, their order, or the version of any library.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.uint64]

_GOLDEN_GAMMA = 0x9E37_79B9_7F4A_7C15


def score(seed: int, part: str, rows: npt.NDArray[np.integer]) -> Scores:
    """The score of rows of one part: 64 bits that look random.

    A part is one stream of SplitMix64 (G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014) and a row is its position in the stream, so within a part no two rows share a score. The
    stream starts at ``mix(mix(seed) xor digest)``, where the digest is the first eight bytes, little endian, of the
    SHA-256 of the part key in UTF-8, and ``mix(x)`` is the generator's output function of ``x + 0x9E3779B97F4A7C15``.

    Args:
        seed: From 0 to 2**64 - 1.
        part: Partition key.
        rows: Positions in the published file, from 0.
    """
    digest = int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], "little")
    start = np.array([seed], np.uint64)
    _mix(start)
    start ^= np.uint64(digest)
    _mix(start)
    scores: Scores = rows.astype(np.uint64)
    scores *= np.uint64(_GOLDEN_GAMMA)
    scores += start
    _mix(scores)
    return scores


def _mix(values: Scores) -> None:
    """SplitMix64's step and output function, in place."""
    values += np.uint64(_GOLDEN_GAMMA)
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58_476D_1CE4_E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D0_49BB_1331_11EB)
    values ^= values >> np.uint64(31)
