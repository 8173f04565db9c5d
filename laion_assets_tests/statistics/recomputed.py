"""Every number of a report, computed once more from the rows, by other means: loops, numpy and scipy.

Nothing of ``laion_assets`` is imported here. Intervals are written down from their definitions: Wilson's as the roots
of its quadratic, ranks from scipy's hypergeometric distribution, Student's t from scipy.
"""

import functools
import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy  # type: ignore[import-untyped]

Row = Mapping[str, Any]
Numbers = dict[str, float]

PERCENTILES = (25, 50, 75, 90, 95, 99)
CAMERA = re.compile(r"(img|dsc|dscn)[ _-]?\d{3,}", re.IGNORECASE)
RETRYABLE = {"timed_out", "server_error", "rate_limited", "connection_lost", "refused", "truncated", "resolver_failed"}


@functools.cache
def z() -> float:
    return float(scipy.stats.norm.ppf(0.975))


class Recomputation:
    """Numbers by path, for a sample without replacement whose rows carry ``weight``; equal weights are one stratum.

    Args:
        everybody: All valid rows.
        sample: The sampled ones with what the probes found.
        requirement: The requirement's fields.
        quarantined: Rows quarantined in all parts together.
        promised: The minimum side that declared sizes are measured against.
    """

    def __init__(
        self,
        everybody: Sequence[Row],
        sample: Sequence[Row],
        requirement: Mapping[str, Any],
        quarantined: int,
        promised: int,
    ) -> None:
        self.everybody, self.sample, self.requirement, self.promised = everybody, sample, requirement, promised
        self.population, self.n = len(everybody), len(sample)
        self.weight = [float(row["weight"]) for row in sample]
        self.strata = {w: [place for place, other in enumerate(self.weight) if other == w] for w in set(self.weight)}
        self.edges = tuple(requirement["edges_px"])
        self.everywhere = [True] * self.n
        self.measured = [row["true_width"] is not None for row in sample]
        self.sized = [row["declared_width"] is not None for row in sample]
        self.sized_rows = [row for row in everybody if row["declared_width"] is not None]
        self.numbers: Numbers = {}
        self._coverage(quarantined)
        self._sizes()
        self._classes()
        self._anomaly()
        self._reach()
        self._texts()
        self._yields()
        self._criteria()
        self._sample_sizes()

    @property
    def weighted(self) -> bool:
        return len(self.strata) > 1

    def share(self, path: str, having: Sequence[bool], domain: Sequence[bool] | None = None) -> None:
        """A share with Wilson's interval."""
        inside = self.everywhere if domain is None else list(domain)
        n = sum(inside)
        count = sum(1 for yes, within in zip(having, inside, strict=True) if yes and within)
        if n == 0:
            self.numbers[f"{path}/count"] = self.numbers[f"{path}/n"] = 0
            return
        if not self.weighted:
            big = n * self.population / self.n
            low, high = wilson(count / n, n, big)
            low, high = max(low, count / big), min(high, 1 - (n - count) / big)
            self._put(path, count / n, low, high, count=count, n=n)
            return
        p, size = self._effective(having, inside)
        low, high = wilson(p, size, math.inf)
        self._put(path, p, low, high, count=count, n=n)

    def _effective(self, having: Sequence[bool], inside: Sequence[bool]) -> tuple[float, float]:
        """A weighted share, and the rows of a simple sample whose share would have its standard error."""
        weights = [w for w, within in zip(self.weight, inside, strict=True) if within]
        rows = sum(weights)
        p = sum(w for w, yes, within in zip(self.weight, having, inside, strict=True) if yes and within) / rows
        scores = [(yes - p) / rows if within else 0.0 for yes, within in zip(having, inside, strict=True)]
        error = self._error(scores)
        return p, p * (1 - p) / error**2 if error > 1e-9 else rows**2 / sum(w * w for w in weights)

    def _error(self, scores: Sequence[float]) -> float:
        """Of the sum of the scores over all rows of the dataset: per stratum N^2 (1 - n / N) s^2 / n."""
        variance = 0.0
        for weight, places in self.strata.items():
            n, rows = len(places), weight * len(places)
            variance += rows**2 * (1 - n / rows) * float(np.var([scores[place] for place in places], ddof=1)) / n
        return math.sqrt(variance)

    def exact(self, path: str, count: int, n: int) -> None:
        """A share that was counted."""
        if n:
            self._put(path, count / n, count / n, count / n, count=count, n=n)

    def mean(self, path: str, values: Sequence[float | None], domain: Sequence[bool]) -> None:
        """A mean over a domain: t times its standard error, linearised over the whole sample."""
        inside = [v is not None and d for v, d in zip(values, domain, strict=True)]
        chosen = [(w, v) for w, v, d in zip(self.weight, values, domain, strict=True) if v is not None and d]
        if not chosen:
            return
        rows = sum(w for w, _ in chosen)
        mean = sum(w * v for w, v in chosen) / rows
        scores = [(v - mean) / rows if v is not None and d else 0.0 for v, d in zip(values, inside, strict=True)]
        seen = sum(v for _, v in chosen) / rows
        self._around(path, mean, self._error(scores), len(chosen) - len(self.strata), seen)

    def _around(self, path: str, value: float, error: float, degrees: int, seen: float) -> None:
        """Student's t times the standard error, never below what the sample itself adds up to."""
        self.numbers[path] = value
        if degrees >= 1:
            half = scipy.stats.t.ppf(0.975, degrees) * error
            self._put(path, value, max(value - half, seen), value + half)

    def distribution(self, path: str, values: Sequence[float | None], domain: Sequence[bool] | None = None) -> None:
        """Everything about one quantity of the sample."""
        within = self.everywhere if domain is None else list(domain)
        inside = [d and v is not None for v, d in zip(values, within, strict=True)]
        chosen = sorted(v for v, d in zip(values, inside, strict=True) if d and v is not None)
        n = len(chosen)
        self.numbers[f"{path}/n"] = n
        if not n:
            return
        self.numbers |= {f"{path}/minimum": chosen[0], f"{path}/maximum": chosen[-1]}
        self.mean(f"{path}/mean", values, inside)
        for p in PERCENTILES:
            percentile = self._woodruff if self.weighted else self._between_ranks
            percentile(f"{path}/percentiles/p{p}", p / 100, values, inside)

    def _between_ranks(self, path: str, p: float, values: Sequence[float | None], inside: Sequence[bool]) -> None:
        chosen = sorted(v for v, d in zip(values, inside, strict=True) if d and v is not None)
        n = len(chosen)
        big = round(n * self.population / self.n)
        position = (big - 1) * p
        below = math.floor(position) + 1
        above = below + (position != math.floor(position))
        # The largest rank that is not above, and the smallest that is not below, each with 97.5 %.
        lows = np.flatnonzero(scipy.stats.hypergeom.sf(np.arange(n), big, below, n) >= 0.975)
        highs = np.flatnonzero(scipy.stats.hypergeom.cdf(np.arange(n), big, above - 1, n) >= 0.975)
        self.numbers[path] = float(np.percentile(chosen, 100 * p))
        if len(lows):
            self.numbers[f"{path}/low"] = min(chosen[lows[-1]], self.numbers[path])
        if len(highs):
            self.numbers[f"{path}/high"] = max(chosen[highs[0]], self.numbers[path])

    def _woodruff(self, path: str, p: float, values: Sequence[float | None], inside: Sequence[bool]) -> None:
        """The smallest value that so many rows do not exceed; its interval is that of this share, looked up again."""
        pairs = sorted((v, w) for v, w, d in zip(values, self.weight, inside, strict=True) if d and v is not None)
        rows = sum(w for _, w in pairs)
        reached = [part / rows for part in itertools.accumulate(w for _, w in pairs)]

        def at(share: float) -> float:
            return next((v for (v, _), part in zip(pairs, reached, strict=True) if part >= share - 1e-12), pairs[-1][0])

        self.numbers[path] = value = at(p)
        low, high = wilson(p, self._effective([v is not None and v <= value for v in values], inside)[1], math.inf)
        if low >= reached[0]:
            self.numbers[f"{path}/low"] = at(low)
        if high <= min(reached[-2:]):
            self.numbers[f"{path}/high"] = at(high)

    def _put(self, path: str, value: float, low: float, high: float, **more: float) -> None:
        self.numbers |= {path: value, f"{path}/low": low, f"{path}/high": high}
        self.numbers |= {f"{path}/{name}": number for name, number in more.items()}

    def _scaled(self, path: str, of: str, factor: float) -> None:
        self.numbers |= {
            f"{path}{end}": self.numbers[f"{of}{end}"] * factor
            for end in ("", "/low", "/high")
            if f"{of}{end}" in self.numbers
        }

    def _bounds(self, path: str, having: Sequence[bool], measured: Sequence[bool]) -> None:
        sure = [h and m for h, m in zip(having, measured, strict=True)]
        maybe = [h or not m for h, m in zip(sure, measured, strict=True)]
        self.share("least", sure)
        self.share("most", maybe)
        found = self.numbers
        self.numbers |= {
            f"{path}/lowest": found["least"],
            f"{path}/low": found["least/low"],
            f"{path}/highest": found["most"],
            f"{path}/high": found["most/high"],
        }

    def _coverage(self, quarantined: int) -> None:
        parts = {row["part"] for row in self.everybody}
        self.numbers |= {
            "coverage/parts": len(parts),
            "coverage/rows_in": self.population + quarantined,
            "coverage/rows_valid": self.population,
            "coverage/rows_quarantined": quarantined,
            "coverage/quarantined": quarantined / (self.population + quarantined),
            "coverage/population": self.population,
            "coverage/sample_rows": self.n,
            "coverage/sample_parts": len({row["part"] for row in self.sample}),
            "coverage/probed_rows": self.n,
            "coverage/measured_rows": sum(self.measured),
            "declared_minimum_side_px": self.promised,
        }
        for name, value in self.requirement.items():
            if isinstance(value, int | float):
                self.numbers[f"requirement/{name}"] = value
        self.numbers |= {f"requirement/edges_px/{i}": e for i, e in enumerate(self.edges)}

    def _sizes(self) -> None:
        for name in ("width", "height", "short_side", "megapixels"):
            path = f"sizes/{name}/views"
            everybody = sorted(measure(row, "declared", name) for row in self.sized_rows)
            if everybody:
                stepped = [math.floor(value * 100) / 100 for value in everybody] if name == "megapixels" else everybody
                self.numbers |= {
                    f"{path}/declared_all/n": len(everybody),
                    f"{path}/declared_all/minimum": stepped[0],
                    f"{path}/declared_all/maximum": stepped[-1],
                    f"{path}/declared_all/mean": float(np.mean(everybody)),
                }
                for p in PERCENTILES:
                    self.numbers[f"{path}/declared_all/percentiles/p{p}"] = float(np.percentile(stepped, p))
            for view, side, known in (
                ("declared_sample", "declared", self.sized),
                ("true_sample", "true", self.measured),
            ):
                values = [
                    measure(row, side, name) if there else None for row, there in zip(self.sample, known, strict=True)
                ]
                self.distribution(f"{path}/{view}", values)

    def _views(self, path: str, test: Any, *, bounds: bool = False) -> None:  # noqa: ANN401
        """One property in its three views; ``test`` takes (width, height)."""
        everybody = [test(row["declared_width"], row["declared_height"]) for row in self.sized_rows]
        self.exact(f"{path}/views/declared_all", sum(everybody), len(everybody))
        declared = [
            d and test(r["declared_width"], r["declared_height"]) for r, d in zip(self.sample, self.sized, strict=True)
        ]
        self.share(f"{path}/views/declared_sample", declared, self.sized)
        true = [m and test(r["true_width"], r["true_height"]) for r, m in zip(self.sample, self.measured, strict=True)]
        self.share(f"{path}/views/true_sample", true, self.measured)
        if bounds:
            self._bounds(f"{path}/over_all_rows", true, self.measured)
            self.share(f"{path}/obtainable", true)

    def _historical(self, width: int, height: int) -> str:
        return historical(width, height, self.edges)

    def _classes(self) -> None:
        for label, (low, high) in labels_of(self.edges).items():
            self._views(f"buckets/{label}", lambda w, h, a=low, b=high: a <= min(w, h) < b, bounds=True)
            self._views(f"historical_buckets/{label}", lambda w, h, name=label: self._historical(w, h) == name)
        sides = {
            self.requirement["minimum_side_px"],
            self.requirement["minimum_high_side_px"],
            self.promised,
            *self.edges,
        }
        for side in sides:
            self.numbers[f"thresholds/{side}/minimum_side_px"] = side
            self._views(f"thresholds/{side}", lambda w, h, s=side: min(w, h) >= s, bounds=True)
        for shape in ("square", "landscape", "portrait"):
            self._views(f"aspect/{shape}", lambda w, h, name=shape: aspect(w, h) == name)
        if self.sized_rows:
            ratios = [row["declared_width"] / row["declared_height"] for row in self.sized_rows]
            self.numbers["aspect_mean/declared_all"] = float(np.mean(ratios))
        for view, side, known in (("declared_sample", "declared", self.sized), ("true_sample", "true", self.measured)):
            values = [
                r[f"{side}_width"] / r[f"{side}_height"] if k else None for r, k in zip(self.sample, known, strict=True)
            ]
            self.mean(f"aspect_mean/{view}", values, known)

    def _anomaly(self) -> None:
        edge = self.edges[0]
        smallest = f"< {edge}"
        self._views("anomaly/historical", lambda w, h: self._historical(w, h) == smallest)
        self._views("anomaly/short_side", lambda w, h: min(w, h) < edge)
        for old in [path for path in self.numbers if path.startswith(("anomaly/historical/", "anomaly/short_side/"))]:
            self.numbers[old.replace("/views/", "/")] = self.numbers.pop(old)
        kinds = [kinds_of(row, self.edges, self.promised) for row in self.sample]
        inside = [
            sized and self._historical(row["declared_width"], row["declared_height"]) == smallest
            for row, sized in zip(self.sample, self.sized, strict=True)
        ]
        both_known = [sized and there for sized, there in zip(self.sized, self.measured, strict=True)]
        for kind in ("straddles_buckets", "declared_below_minimum", "true_below_minimum", "declared_swapped"):
            having = [kind in found for found in kinds]
            told = both_known if kind in ("true_below_minimum", "declared_swapped") else self.sized
            self.share(f"anomaly/kinds/{kind}/share", having, told)
            both = [i and t for i, t in zip(inside, told, strict=True)]
            self.share(f"anomaly/kinds/{kind}/within_historical", having, both)
            if told is both_known:
                self._bounds(f"anomaly/kinds/{kind}/over_all_rows", having, told)
        straddling = sum("straddles_buckets" in kinds_of(row, self.edges, self.promised) for row in self.sized_rows)
        small = sum(short_of(row) < self.promised for row in self.sized_rows)
        self.exact("anomaly/kinds/straddles_buckets/declared_all", straddling, len(self.sized_rows))
        self.exact("anomaly/kinds/declared_below_minimum/declared_all", small, len(self.sized_rows))
        genuine = [i and short_of(row) < edge for i, row in zip(inside, self.sample, strict=True)]
        self.share("anomaly/genuinely_small", genuine, self.sized)
        self.share("anomaly/genuine_within_historical", genuine, inside)
        relations = [match(row) for row in self.sample]
        self.share(
            "anomaly/swapped_where_it_shows",
            [relation == "swapped" for relation in relations],
            [
                relation == "swapped" or (relation == "exact" and row["declared_width"] != row["declared_height"])
                for relation, row in zip(relations, self.sample, strict=True)
            ],
        )
        for name in ("exact", "swapped", "scaled_down", "replaced"):
            self.share(f"agreement/{name}/share", [relation == name for relation in relations], both_known)
        place = 0
        for kind in ("straddles_buckets", "declared_below_minimum", "true_below_minimum", "declared_swapped"):
            for row in [row for row, found in zip(self.sample, kinds, strict=True) if kind in found][:3]:
                for name in ("row", "declared_width", "declared_height", "true_width", "true_height"):
                    if row[name] is not None:
                        self.numbers[f"anomaly/examples/{place}/{name}"] = row[name]
                place += 1

    def _reach(self) -> None:
        measured = self.measured
        self.share("reach/reachable", measured)
        self.share("reach/undecided", [row["outcome"] in RETRYABLE for row in self.sample])
        self.share("reach/our_fault", [row["outcome"] == "resolver_failed" for row in self.sample])
        self.share("reach/opted_out", [bool(row["opted_out"]) for row in self.sample])
        for place, outcome in enumerate(self._ranked([row["outcome"] for row in self.sample])):
            self.share(f"reach/outcomes/{place}/share", [row["outcome"] == outcome for row in self.sample])
        formats = self._ranked([row["format"] for row in self.sample], measured)
        for place, name in enumerate(formats):
            self.share(f"reach/formats/{place}/sample", [row["format"] == name for row in self.sample], measured)
        self.distribution("reach/file_bytes", [row["file_bytes"] for row in self.sample], measured)
        self.share("reach/file_bytes_unknown", [row["file_bytes"] is None for row in self.sample], measured)
        side = self.requirement["minimum_high_side_px"]
        high = [sized and short_of(row) >= side for row, sized in zip(self.sample, self.sized, strict=True)]
        for name, wanted in (("reached", True), ("unreached", False)):
            domain = [sized and there is wanted for sized, there in zip(self.sized, measured, strict=True)]
            self.share(f"reach/declared_high_among_{name}", high, domain)
        hosts = [host(row) for row in self.sample]
        self._named("hosts/top", hosts, [host(row) for row in self.everybody])
        largest = self._ranked(hosts)
        self.numbers["hosts/distinct_in_sample"] = len(largest)
        self.share("hosts/top_1", [name in largest[:1] for name in hosts])
        self.share("hosts/top_10", [name in largest[:10] for name in hosts])
        self._named("languages", [row["language"] for row in self.sample], [row["language"] for row in self.everybody])

    def _ranked(self, names: Sequence[str], domain: Sequence[bool] | None = None) -> list[str]:
        """Names by the rows they stand for, most first."""
        rows: Counter[str] = Counter()
        for name, weight, within in zip(names, self.weight, domain or self.everywhere, strict=True):
            if within:
                rows[name] += weight  # type: ignore[assignment]
        return [name for name, _ in sorted(rows.items(), key=lambda pair: (-round(pair[1], 6), pair[0]))]

    def _named(self, path: str, names: list[str], everybody: list[str]) -> None:
        for place, name in enumerate(self._ranked(names)[:20]):
            having = [other == name for other in names]
            self.exact(f"{path}/{place}/declared_all", everybody.count(name), self.population)
            self.share(f"{path}/{place}/sample", having)
            self.share(f"{path}/{place}/reachable", self.measured, having)

    def _texts(self) -> None:
        captions = [row["caption"] or "" for row in self.sample]
        self.distribution("captions/characters", [len(text) for text in captions])
        self.distribution("captions/words", [len(text.split()) for text in captions])
        self.share("captions/blank", [not text for text in captions])
        self.share("captions/boilerplate", [bool(CAMERA.fullmatch(text)) for text in captions])
        self.share("captions/file_name", [text.endswith(".jpg") and " " not in text for text in captions])
        self.share("captions/web_address", [text.startswith("http") and " " not in text for text in captions])
        self.share("captions/useless", [useless(text) for text in captions])
        often = Counter(text for text, _ in {((row["caption"] or "").lower(), row["url"]) for row in self.sample})
        self.share("captions/repeated", [bool(text) and often[text.lower()] > 1 for text in captions])
        cutoffs = (("similarity", None), ("punsafe", "unsafe_cutoff"), ("pwatermark", "watermark_cutoff"))
        for name, key in cutoffs:
            least = -1 if name == "similarity" else 0
            values = [row[name] if row[name] is not None and least <= row[name] <= 1 else None for row in self.sample]
            known = [value is not None for value in values]
            self.share(f"scores/{name}/missing", [value is None for value in values])
            self.distribution(f"scores/{name}/sample", values, known)
            if key is not None:
                self.numbers[f"scores/{name}/cutoff"] = cutoff = self.requirement[key]
                over = [value is not None and value >= cutoff for value in values]
                self.share(f"scores/{name}/at_or_above_cutoff", over, known)
                everybody = [row[name] for row in self.everybody if row[name] is not None and least <= row[name] <= 1]
                count = sum(value >= cutoff for value in everybody)
                self.exact(f"scores/{name}/at_or_above_cutoff_all", count, len(everybody))
        english = [row["language"] == "en" for row in self.sample]
        values = [row["similarity"] if abs(row["similarity"]) <= 1 else None for row in self.sample]
        for name, inside in (("en", english), ("other", [not e for e in english])):
            self.distribution(f"scores/similarity/groups/{name}", values, inside)
            quartile = self.numbers[f"scores/similarity/groups/{name}/percentiles/p25"]
            self.numbers[f"similarity_cutoffs/{name}"] = math.floor(quartile * 1000) / 1000

    def _yields(self) -> None:
        limits = {True: self.numbers["similarity_cutoffs/en"], False: self.numbers["similarity_cutoffs/other"]}
        mark, unsafe = self.requirement["watermark_cutoff"], self.requirement["unsafe_cutoff"]
        side, high = self.requirement["minimum_side_px"], self.requirement["minimum_high_side_px"]
        smallest = f"< {self.edges[0]}"

        def called_small(row: Row) -> bool:
            known = row["declared_width"] is not None
            return known and self._historical(row["declared_width"], row["declared_height"]) == smallest

        tests: dict[str, tuple[int, int, Any]] = {
            "everything": (0, 0, lambda _: True),
            "required": (side, 0, lambda _: True),
            "historical": (side, side, lambda r: not called_small(r)),
            "high": (high, high, lambda _: True),
            "similarity": (side, side, lambda r: limits[r["language"] == "en"] <= r["similarity"] <= 1),
            "no_watermark": (side, side, lambda r: r["pwatermark"] is not None and r["pwatermark"] < mark),
            "safe": (side, side, lambda r: r["punsafe"] is not None and r["punsafe"] < unsafe),
            "captions": (side, side, lambda r: not useless(r["caption"] or "")),
        }
        tests["combined"] = (side, side, lambda r: all(tests[n][2](r) for n in ("no_watermark", "safe", "captions")))
        for name, (true, declared, test) in tests.items():
            asked = [(r["declared_width"] is None or short_of(r) >= declared) and test(r) for r in self.sample]
            left = [
                wanted and there and min(row["true_width"], row["true_height"]) >= true and not row["opted_out"]
                for wanted, there, row in zip(asked, self.measured, self.sample, strict=True)
            ]
            path = f"yields/{name}"
            self.share(f"{path}/attempted", asked)
            self.share(f"{path}/share", left)
            self._scaled(f"{path}/rows", f"{path}/share", self.population)
            sizes = [row["file_bytes"] for row in self.sample]
            self.mean(f"{path}/mean_bytes", sizes, left)
            self._total(f"{path}/bytes", sizes, left)
            self.share(f"{path}/lengths_known", [size is not None for size in sizes], left)
        self._strategy(asked, left, side)

    def _total(self, path: str, values: Sequence[float | None], domain: Sequence[bool]) -> None:
        """A total in which an unknown value counts as the mean of the known, by double sampling.

        The first phase has the spread of the known values, the second is the known ones among those of the domain.
        """
        known = [v is not None and d for v, d in zip(values, domain, strict=True)]
        chosen = [(w, v) for w, v, d in zip(self.weight, values, domain, strict=True) if v is not None and d]
        if not chosen:
            return
        rows, told = (sum(w for w, d in zip(self.weight, of, strict=True) if d) for of in (domain, known))
        mean = sum(w * v for w, v in chosen) / told
        stretch = math.sqrt(rows / told)
        stand_in = [
            (mean + stretch * (v - mean) if v is not None else mean) if d else 0.0
            for v, d in zip(values, domain, strict=True)
        ]
        first = self._error(stand_in) ** 2
        n, all_of_them = len(chosen), sum(domain)
        degrees = self.n - len(self.strata)
        second = 0.0
        if n < all_of_them:
            degrees = min(degrees, n - 1)
            residuals = [w * (v - mean) / told for w, v in chosen]
            second = rows**2 * (1 - n / all_of_them) * sum(r * r for r in residuals) * n / max(n - 1, 1)
        self._around(path, rows * mean, math.sqrt(first + second), degrees, sum(v for _, v in chosen))

    def _strategy(self, asked: Sequence[bool], left: Sequence[bool], side: int) -> None:
        found, wanted = self.numbers, self.requirement["rows_wanted"]
        self._scaled("strategy/attempts", "yields/combined/attempted", self.population)
        self._scaled("strategy/images", "yields/combined/rows", 1)
        self._scaled("strategy/bytes", "yields/combined/bytes", 1)
        self._scaled("strategy/line_hours", "yields/combined/bytes", 8 / self.requirement["bandwidth_mbit_s"] / 3.6e9)
        small = [
            wants and there and min(row["true_width"], row["true_height"]) < side
            for row, wants, there in zip(self.sample, asked, self.measured, strict=True)
        ]
        sizes = [row["file_bytes"] for row in self.sample]
        self._total("strategy/wasted_bytes", sizes, small)
        self.share("strategy/wasted_lengths_known", [size is not None for size in sizes], small)
        hosts = [host(row) for row in self.sample]
        busiest = self._ranked(hosts, asked)[0]
        self.share("busiest", [wants and name == busiest for wants, name in zip(asked, hosts, strict=True)])
        self._scaled("strategy/busiest_host_rows", "busiest", self.population)
        per_hour = self.requirement["requests_per_host_s"] * 3600
        self._scaled("strategy/busiest_host_hours", "busiest", self.population / per_hour)
        if wanted:
            self.share("kept", left, asked)
            for end, other in (("", ""), ("/low", "/high"), ("/high", "/low")):
                found[f"strategy/attempts_for_rows_wanted{end}"] = wanted / found[f"kept{other}"]

    def _criteria(self) -> None:
        wanted, promised = self.requirement, f"thresholds/{self.promised}/views"
        for name, path, target in (
            ("declared_minimum", f"{promised}/declared_all", 1),
            ("true_minimum", f"thresholds/{wanted['minimum_side_px']}/views/true_sample", wanted["minimum_size_share"]),
            (
                "high_resolution",
                f"thresholds/{wanted['minimum_high_side_px']}/views/true_sample",
                wanted["minimum_high_share"],
            ),
            ("reachable", "reach/reachable", wanted["minimum_reachable_share"]),
            ("rows", "yields/combined/rows", wanted["rows_wanted"]),
            ("caption_words", "captions/words/percentiles/p50", wanted["minimum_median_words"]),
            ("captions", "captions/useless", wanted["maximum_boilerplate_share"]),
            ("watermarks", "scores/pwatermark/at_or_above_cutoff_all", wanted["maximum_watermark_share"]),
            ("unsafe", "scores/punsafe/at_or_above_cutoff_all", wanted["maximum_unsafe_share"]),
        ):
            if target is not None and path in self.numbers:
                self.numbers[f"criteria/{name}/target"] = target
                self._scaled(f"criteria/{name}/measured", path, 1)

    def _sample_sizes(self) -> None:
        share = f"thresholds/{self.requirement['minimum_side_px']}/views/true_sample"
        likely = min(max(0.5, self.numbers[f"{share}/low"]), self.numbers[f"{share}/high"])
        answering = self.numbers["reach/reachable"]
        reached = round(self.population * answering)
        for place, half in enumerate((0.05, 0.02, 0.01, 0.005, 0.001)):
            path = f"sample_sizes/{place}"
            self.numbers |= {
                f"{path}/half_width": half,
                f"{path}/rows_any_share": needed(half, 0.5, self.population),
                f"{path}/rows_observed_share": math.ceil(needed(half, likely, reached) / answering),
                f"{path}/rows_among_reachable": math.ceil(needed(half, 0.5, reached) / answering),
            }
            for name in ("rows_observed_share", "rows_among_reachable"):
                self.numbers[f"{path}/{name}"] = min(self.numbers[f"{path}/{name}"], self.population)


def wilson(p: float, n: float, population: float) -> tuple[float, float]:
    """The roots of (p - q)^2 = z^2 q (1 - q) / n * (N - n) / (N - 1)."""
    z2 = z() ** 2 * (1 if math.isinf(population) else (population - n) / (population - 1))
    low, high = sorted(np.roots([1 + z2 / n, -(2 * p + z2 / n), p * p]).real)
    return float(low), float(high)


def needed(half: float, p: float, population: int) -> int:
    """The smallest sample whose interval is narrow enough, by trying."""
    low, high = 1, population
    while low < high:
        middle = (low + high) // 2
        error = math.sqrt(p * (1 - p) / middle * (population - middle) / (population - 1))
        low, high = (low, middle) if z() * error <= half else (middle + 1, high)
    return low


def measure(row: Row, side: str, name: str) -> float:
    width, height = row[f"{side}_width"], row[f"{side}_height"]
    return float(
        {"width": width, "height": height, "short_side": min(width, height), "megapixels": width * height / 1e6}[name]
    )


def short_of(row: Row) -> int:
    return int(min(row["declared_width"], row["declared_height"]))


def labels_of(edges: Sequence[int]) -> dict[str, tuple[float, float]]:
    """The classes and what they hold: from, and up to but without."""
    between = {f"{low}-{high}": (low, high) for low, high in itertools.pairwise(edges)}
    return {f"< {edges[0]}": (0, edges[0]), **between, f"{edges[-1]}+": (edges[-1], math.inf)}


def historical(width: int, height: int, edges: Sequence[int] = (1024, 2048, 4096)) -> str:
    """As the one-off script had it: both sides in one class, either side for the largest, else the smallest."""
    for label, (low, high) in labels_of(edges).items():
        if 0 < low <= min(width, height) and max(width, height) < high < math.inf:
            return label
    return f"{edges[-1]}+" if max(width, height) >= edges[-1] else f"< {edges[0]}"


def aspect(width: int, height: int) -> str:
    ratio = width / height
    return "landscape" if ratio > 1.1 else "portrait" if ratio < 0.9 else "square"


def kinds_of(row: Row, edges: Sequence[int] = (1024, 2048, 4096), promised: int = 1024) -> set[str]:
    width, height, kinds = row["declared_width"], row["declared_height"], set()
    if width is None:
        return set()
    if historical(width, height, edges) == f"< {edges[0]}" and min(width, height) >= edges[0]:
        kinds.add("straddles_buckets")
    if min(width, height) < promised:
        kinds.add("declared_below_minimum")
    if row.get("true_width") is not None:
        if min(row["true_width"], row["true_height"]) < promised <= min(width, height):
            kinds.add("true_below_minimum")
        if match(row) == "swapped":
            kinds.add("declared_swapped")
    return kinds


def match(row: Row) -> str | None:
    if row["true_width"] is None or row["declared_width"] is None:
        return None
    declared, true = (row["declared_width"], row["declared_height"]), (row["true_width"], row["true_height"])
    if declared == true:
        return "exact"
    if declared == true[::-1]:
        return "swapped"
    off = abs(true[0] * declared[1] - true[1] * declared[0])
    same_shape = off <= sum(declared) and off <= 0.03 * true[0] * declared[1]
    return "scaled_down" if true[0] < declared[0] and true[1] < declared[1] and same_shape else "replaced"


def useless(text: str) -> bool:
    return not text or bool(CAMERA.fullmatch(text)) or (" " not in text and text.startswith("http"))


def host(row: Row) -> str:
    return str(row["url"]).split("/")[2]
