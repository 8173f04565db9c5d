"""A made-up catalogue of published metadata parts, as large and as awkward as the real one.

Rows follow the published LAION-High-Resolution schema. Strings have the lengths and the repetitiveness of real ones
(URLs of about 100 characters from a Zipf-like set of hosts, captions of about 60 from a Zipf-like vocabulary), sizes
and scores have their spread, and the defects that real rows carry are planted at small, known rates.
Nothing here is measured: this is what the measurements read.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

ROWS_PER_PART = 1_330_000
PARTS = 128
_COMMON_SIZES_PX = (1024, 1080, 1200, 1280, 1300, 1365, 1440, 1500, 1536, 1600, 1800, 1920, 2000, 2048, 2560, 3000)
_LANGUAGES = ("en", "nolang", "de", "fr", "es", "ru", "it", "nl", "pt", "ja", "pl", "zh", "tr", "cs", "sv", "fi")
_SYLLABLES = "ba be bi bo ca co da de di do el en er fa fi ga go ha he in is ka ki la le li lo ma me mi mo na ne ni no"
_WORDS = 40_000
_HOSTS = 60_000


@dataclass(frozen=True)
class Rates:
    """Shares of rows that carry a planted defect."""

    missing_size: float = 2e-4
    shifted: float = 1e-4
    not_http: float = 5e-5
    below_minimum: float = 1e-3
    odd_similarity: float = 1e-5
    repeated: float = 2e-3
    null_score: float = 0.012


def _vocabulary(rng: np.random.Generator) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    syllables = np.array(_SYLLABLES.split(), dtype=object)
    lengths = rng.integers(1, 5, _WORDS)
    picks = rng.integers(0, len(syllables), (_WORDS, 4))
    return np.array(["".join(syllables[row[:n]]) for row, n in zip(picks, lengths, strict=True)], dtype=object)


def _zipf(
    rng: np.random.Generator, distinct: int, size: int, exponent: float
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Indices in ``[0, distinct)``, the k-th drawn about ``k ** -exponent`` as often as the first."""
    uniform = rng.random(size)
    power = 1.0 - exponent
    return ((uniform * ((distinct + 1.0) ** power - 1.0) + 1.0) ** (1.0 / power) - 1.0).astype(np.int64)


class Catalogue:
    """Makes parts; the vocabulary and the hosts are shared by all, the rows are seeded by the part's number."""

    def __init__(self, *, seed: int = 0, rows_per_part: int = ROWS_PER_PART, rates: Rates | None = None) -> None:
        rng = np.random.default_rng(seed)
        self.seed = seed
        self.rows_per_part = rows_per_part
        self.rates = rates or Rates()
        words = _vocabulary(rng)
        self._words = pl.Series("w", words, dtype=pl.String)
        tails = np.array([".com", ".com", ".com", ".net", ".org", ".de", ".co.uk"], dtype=object)
        heads = np.array(["", "www.", "www.", "cdn.", "img.", "i.pinimg.", "images."], dtype=object)
        hosts = (
            heads[rng.integers(0, len(heads), _HOSTS)]
            + words[rng.integers(0, _WORDS, _HOSTS)]
            + words[rng.integers(0, _WORDS, _HOSTS)]
            + tails[rng.integers(0, len(tails), _HOSTS)]
        )
        self._hosts = pl.Series("h", hosts, dtype=pl.String)

    def frame(self, number: int) -> pl.DataFrame:
        """The rows of one part."""
        rng = np.random.default_rng((self.seed, 1, number))
        n = self.rows_per_part
        word = lambda exponent=0.9: self._words.gather(_zipf(rng, _WORDS, n, exponent).clip(0, _WORDS - 1))  # noqa: E731
        hexadecimal = pl.Series("x", rng.integers(0, 2**63, n)).cast(pl.String)
        frame = pl.DataFrame(
            {
                "scheme": pl.Series(np.where(rng.random(n) < 0.87, "https://", "http://"), dtype=pl.String),
                "host": self._hosts.gather(_zipf(rng, _HOSTS, n, 1.05).clip(0, _HOSTS - 1)),
                "a": word(), "b": word(), "c": word(), "d": word(), "e": word(), "f": word(), "g": word(), "i": word(),
                "x": hexadecimal,
                "ext": pl.Series(rng.choice([".jpg", ".jpg", ".jpg", ".jpg", ".jpeg", ".png", ""], n), dtype=pl.String),
                "long": rng.random(n),
                "WIDTH": self._side(rng, n),
                "HEIGHT": self._side(rng, n),
                "similarity": rng.normal(0.315, 0.035, n).clip(0.26, 0.6),
                "LANGUAGE": pl.Series(
                    rng.choice(_LANGUAGES, n, p=[0.55, 0.1, *([0.35 / 14] * 14)]), dtype=pl.String
                ),
                "pwatermark": rng.beta(0.5, 1.5, n).astype(np.float32),
                "punsafe": rng.beta(0.2, 6, n).astype(np.float32),
            }
        )  # fmt: skip
        frame = frame.select(
            URL=pl.concat_str(
                "scheme", "host", pl.lit("/wp-content/uploads/"), "a", pl.lit("/"), "b", pl.lit("-"), "c", pl.lit("-"),
                "d", pl.lit("_"), "x", "ext",
                pl.when(pl.col("long") < 0.15).then(pl.lit("?w=1200&h=1600&crop=1&fit=cover&quality=90")).otherwise(pl.lit("")),
            ),
            TEXT=pl.concat_str(
                "e", "f", "g", "i", "a", "b",
                pl.when(pl.col("long") < 0.5).then(pl.concat_str("c", "d", "e", "g", "i", "f", separator=" ")).otherwise(pl.lit("|")),
                separator=" ",
            ),
            *(pl.col(name) for name in ("WIDTH", "HEIGHT", "similarity", "LANGUAGE")),
            pwatermark=self._holes(rng, n, "pwatermark"),
            punsafe=self._holes(rng, n, "punsafe"),
        )  # fmt: skip
        return self._with_defects(rng, frame)

    def write(self, folder: Path, number: int) -> Path:
        """Write one part as the publisher did: snappy parquet, several row groups."""
        path = folder / f"part-{number:05d}-5d6701c4-b238-4c0a-84e4-fe8e9daea963-c000.snappy.parquet"
        self.frame(number).write_parquet(path, compression="snappy", row_group_size=250_000)
        return path

    def _holes(self, rng: np.random.Generator, n: int, name: str) -> pl.Expr:
        return pl.when(pl.Series(rng.random(n) >= self.rates.null_score)).then(pl.col(name))

    @staticmethod
    def _side(rng: np.random.Generator, n: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
        free = (1024 * np.exp(rng.gamma(1.3, 0.35, n))).clip(1024, 14_000)
        common = rng.choice(_COMMON_SIZES_PX, n)
        return np.where(rng.random(n) < 0.55, common, free).astype(np.int32)

    def _with_defects(self, rng: np.random.Generator, frame: pl.DataFrame) -> pl.DataFrame:
        n, rates = frame.height, self.rates

        def planted(rate: float) -> pl.Series:
            return pl.Series(rng.random(n) < rate)

        shifted, below, repeated = planted(rates.shifted), planted(rates.below_minimum), planted(rates.repeated)
        missing, odd, ftp = planted(rates.missing_size), planted(rates.odd_similarity), planted(rates.not_http)
        frame = frame.with_columns(
            URL=pl.when(shifted).then(pl.lit("UNLIKELY"))
            .when(ftp).then(pl.lit("data:image/png;base64,AAAA"))
            .when(repeated).then(pl.col("URL").shift(1000, fill_value=pl.col("URL").first()))
            .otherwise(pl.col("URL")),
            HEIGHT=pl.when(shifted | missing).then(None).otherwise(pl.col("HEIGHT")),
            WIDTH=pl.when(below).then(pl.col("WIDTH") // 3).otherwise(pl.col("WIDTH")),
            LANGUAGE=pl.when(shifted).then(pl.lit("1104")).otherwise(pl.col("LANGUAGE")),
            similarity=pl.when(odd).then(6016.0).otherwise(pl.col("similarity")),
        )  # fmt: skip
        text = frame.select(pl.concat_str(pl.col("URL").fill_null(""), pl.col("TEXT").fill_null(""))).to_series()
        import mmh3

        hashes = np.fromiter((mmh3.hash64(value)[0] for value in text), dtype=np.int64, count=n)
        return frame.insert_column(6, pl.Series("hash", hashes))
