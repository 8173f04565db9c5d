"""A made-up catalogue of published metadata parts, as large and as awkward as the real one.

Rows follow the published LAION-High-Resolution schema. Strings have the lengths and the repetitiveness of real ones
(URLs of about 110 characters from a Zipf-like set of hosts, captions of about 65 from a Zipf-like vocabulary), sizes
and scores have their spread, and the defects that real rows carry are planted at small, known rates.
Nothing is measured here: this is what the measurements read.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

ROWS_PER_PART = 1_330_000
PARTS = 128
_COMMON_SIZES_PX = (1024, 1080, 1200, 1280, 1300, 1365, 1440, 1500, 1536, 1600, 1800, 1920, 2000, 2048, 2560, 3000)
_LANGUAGES = ("en", "nolang", "de", "fr", "es", "ru", "it", "nl", "pt", "ja", "pl", "zh", "tr", "cs", "sv", "fi")
_LANGUAGE_SHARES = (0.55, 0.1, *([0.35 / 14] * 14))
_SYLLABLES = "ba be bi bo ca co da de di do el en er fa fi ga go ha he in is ka ki la le li lo ma me mi mo na ne ni no"
_HEADS = ("", "www.", "www.", "cdn.", "img.", "i.pinimg.", "images.")
_TAILS = (".com", ".com", ".com", ".net", ".org", ".de", ".co.uk")
_ENDINGS = (".jpg", ".jpg", ".jpg", ".jpg", ".jpeg", ".png", "")
_QUERY = "?w=1200&h=1600&crop=1&fit=cover&quality=90"
_WORDS = 40_000
_HOSTS = 60_000
_ROWS_PER_GROUP = 250_000


@dataclass(frozen=True)
class Rates:
    """Shares of rows that carry a planted defect."""

    missing_size: float = 2e-4
    shifted: float = 1e-4
    not_http: float = 5e-5
    below_minimum: float = 1e-3
    odd_similarity: float = 1e-5
    repeated_in_part: float = 2e-3
    repeated_elsewhere: float = 0.02
    null_score: float = 0.012


class Catalogue:
    """Makes parts; the vocabulary and the hosts are shared by all, the rows are seeded by the part's number."""

    def __init__(self, *, seed: int = 0, rows_per_part: int = ROWS_PER_PART, rates: Rates | None = None) -> None:
        rng = np.random.default_rng(seed)
        self.seed = seed
        self.rows_per_part = rows_per_part
        self.rates = rates or Rates()
        words = _vocabulary(rng)
        self._words = pl.Series("word", words, dtype=pl.String)
        hosts = [
            f"{_HEADS[head]}{words[one]}{words[other]}{_TAILS[tail]}"
            for head, one, other, tail in zip(
                rng.integers(0, len(_HEADS), _HOSTS),
                rng.integers(0, _WORDS, _HOSTS),
                rng.integers(0, _WORDS, _HOSTS),
                rng.integers(0, len(_TAILS), _HOSTS),
                strict=True,
            )
        ]
        self._hosts = pl.Series("host", hosts, dtype=pl.String)

    def frame(self, number: int) -> pl.DataFrame:
        """The rows of one part."""
        rng = np.random.default_rng((self.seed, 1, number))
        n, scores = self.rows_per_part, self.rates.null_score
        drawn = pl.DataFrame(
            {
                "scheme": pl.Series(np.where(rng.random(n) < 0.87, "https://", "http://"), dtype=pl.String),
                "host": self._hosts.gather(_zipf(rng, _HOSTS, n, 1.05)),
                **{f"w{position}": self._words.gather(_zipf(rng, _WORDS, n, 0.9)) for position in range(15)},
                "number": pl.Series(rng.integers(0, 2**63, n)).cast(pl.String),
                "album": pl.Series(rng.integers(0, 2**47, n)).cast(pl.String),
                "ending": pl.Series(rng.choice(_ENDINGS, n), dtype=pl.String),
                "long": rng.random(n),
                "missing_punsafe": rng.random(n) < scores,
                "missing_pwatermark": rng.random(n) < scores,
            }
        )
        wordy, tagged = pl.col("long") < 0.6, pl.col("long") < 0.15
        frame = drawn.select(
            URL=pl.concat_str(
                *("scheme", "host", pl.lit("/uploads/"), "album", pl.lit("/"), "w1", pl.lit("-"), "w2"),
                *(pl.lit("-"), "w3", pl.lit("_"), "number", "ending"),
                pl.when(tagged).then(pl.lit(_QUERY)).otherwise(pl.lit("")),
            ),
            TEXT=pl.concat_str(
                *("w4", "w5", "w6", "w7", "w8", "w9", "w10"),
                pl.when(wordy)
                .then(pl.concat_str("w11", "w12", "w13", "w14", "w2", "w0", separator=" "))
                .otherwise("w0"),
                separator=" ",
            ),
            WIDTH=pl.Series(_sides(rng, n)),
            HEIGHT=pl.Series(_sides(rng, n)),
            similarity=pl.Series(rng.normal(0.315, 0.035, n).clip(0.26, 0.6)),
            LANGUAGE=pl.Series(rng.choice(_LANGUAGES, n, p=_LANGUAGE_SHARES), dtype=pl.String),
            hash=pl.Series(rng.integers(-(2**63), 2**63 - 1, n)),
            pwatermark=pl.when(~pl.col("missing_pwatermark")).then(_scores(rng, n, 0.5, 1.5)),
            punsafe=pl.when(~pl.col("missing_punsafe")).then(_scores(rng, n, 0.2, 6)),
        )
        return self._with_defects(rng, frame)

    def write(self, folder: Path, number: int) -> Path:
        """Write one part as the publisher did: snappy parquet, several row groups."""
        path = folder / f"part-{number:05d}.parquet"
        self.frame(number).write_parquet(path, compression="snappy", row_group_size=_ROWS_PER_GROUP)
        return path

    def _with_defects(self, rng: np.random.Generator, frame: pl.DataFrame) -> pl.DataFrame:
        n, rates = frame.height, self.rates

        def planted(rate: float) -> pl.Series:
            return pl.Series(rng.random(n) < rate)

        shifted, missing, not_http = planted(rates.shifted), planted(rates.missing_size), planted(rates.not_http)
        repeated, elsewhere = planted(rates.repeated_in_part), planted(rates.repeated_elsewhere)
        # The same few million URLs for all parts: each is met in several of them.
        shared = pl.concat_str(
            pl.lit("https://shared.example/"), pl.Series(rng.integers(0, 2_000_000, n)).cast(pl.String), pl.lit(".jpg")
        )
        return frame.with_columns(
            URL=pl.when(shifted)
            .then(pl.lit("UNLIKELY"))
            .when(not_http)
            .then(pl.lit("data:image/png;base64,AAAA"))
            .when(elsewhere)
            .then(shared)
            .when(repeated)
            .then(pl.col("URL").shift(1000, fill_value=pl.col("URL").first()))
            .otherwise(pl.col("URL")),
            HEIGHT=pl.when(shifted | missing).then(None).otherwise(pl.col("HEIGHT")),
            WIDTH=pl.when(planted(rates.below_minimum)).then(pl.col("WIDTH") // 3).otherwise(pl.col("WIDTH")),
            LANGUAGE=pl.when(shifted).then(pl.lit("1104")).otherwise(pl.col("LANGUAGE")),
            similarity=pl.when(planted(rates.odd_similarity)).then(6016.0).otherwise(pl.col("similarity")),
        )


def _vocabulary(rng: np.random.Generator) -> list[str]:
    syllables = _SYLLABLES.split()
    lengths = rng.integers(1, 5, _WORDS)
    picks = rng.integers(0, len(syllables), (_WORDS, 4))
    return ["".join(syllables[pick] for pick in row[:length]) for row, length in zip(picks, lengths, strict=True)]


def _zipf(rng: np.random.Generator, distinct: int, size: int, exponent: float) -> npt.NDArray[np.int64]:
    """Indices in ``[0, distinct)``, the k-th drawn about ``k ** -exponent`` as often as the first."""
    power = 1.0 - exponent
    drawn = (rng.random(size) * ((distinct + 1.0) ** power - 1.0) + 1.0) ** (1.0 / power) - 1.0
    indices: npt.NDArray[np.int64] = np.minimum(drawn.astype(np.int64), distinct - 1)
    return indices


def _scores(rng: np.random.Generator, n: int, a: float, b: float) -> pl.Series:
    return pl.Series(rng.beta(a, b, n).astype(np.float32))


def _sides(rng: np.random.Generator, n: int) -> npt.NDArray[np.int32]:
    """Every second side is one of a few common ones, the others are spread from 1024 px up."""
    free = (1024 * np.exp(rng.gamma(1.3, 0.35, n))).clip(1024, 14_000)
    common = rng.choice(_COMMON_SIZES_PX, n)
    return np.where(rng.random(n) < 0.55, common, free).astype(np.int32)
