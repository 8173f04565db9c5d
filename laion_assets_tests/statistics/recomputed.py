"""Every number of a report, computed once more from the rows, by other means: loops, numpy and scipy.

Nothing of ``laion_assets`` is imported here. Intervals are written down from their definitions: Wilson's as the roots
of its quadratic, ranks from scipy's hypergeometric distribution, Student's t from scipy.
"""

import functools
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy  # type: ignore[import-untyped]

Row = Mapping[str, Any]
Numbers = dict[str, float]

LABELS = {"< 1024": (0, 1024), "1024-2048": (1024, 2048), "2048-4096": (2048, 4096), "4096+": (4096, math.inf)}
CAMERA = re.compile(r"(img|dsc|dscn)[ _-]?\d{3,}", re.IGNORECASE)
RETRYABLE = {"timed_out", "server_error", "rate_limited", "connection_lost", "refused", "truncated", "resolver_failed"}


@functools.cache
def z() -> float:
    return float(scipy.stats.norm.ppf(0.975))


class Recomputation:
    """Numbers by path, for an equally weighted sample without replacement.

    Args:
        everybody: All valid rows.
        sample: The sampled ones with what the probes found.
        requirement: The requirement's fields.
        quarantined: Rows quarantined in all parts together.
    """

    def __init__(
        self, everybody: Sequence[Row], sample: Sequence[Row], requirement: Mapping[str, Any], quarantined: int
    ) -> None:
        self.everybody, self.sample, self.requirement = everybody, sample, requirement
        self.population, self.n = len(everybody), len(sample)
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

    def share(self, path: str, having: Sequence[bool], domain: Sequence[bool] | None = None) -> None:
        """A share with Wilson's interval: the roots of (p - q)^2 = z^2 q (1 - q) / n * (N - n) / (N - 1)."""
        inside = [True] * self.n if domain is None else list(domain)
        n = sum(inside)
        count = sum(1 for yes, within in zip(having, inside, strict=True) if yes and within)
        if n == 0:
            self.numbers[f"{path}/count"] = self.numbers[f"{path}/n"] = 0
            return
        p, big = count / n, n * self.population / self.n
        z2 = z() ** 2 * (big - n) / (big - 1)
        roots = sorted(np.roots([1 + z2 / n, -(2 * p + z2 / n), p * p]).real)
        low, high = max(roots[0], count / big), min(roots[1], 1 - (n - count) / big)
        self._put(path, p, low, high, count=count, n=n)

    def exact(self, path: str, count: int, n: int) -> None:
        """A share that was counted."""
        self._put(path, count / n, count / n, count / n, count=count, n=n)

    def mean(self, path: str, values: Sequence[float | None], domain: Sequence[bool]) -> None:
        """A mean over a domain: t times its standard error, linearised over the whole sample."""
        inside = [v is not None and d for v, d in zip(values, domain, strict=True)]
        chosen = [v for v, d in zip(values, inside, strict=True) if v is not None and d]
        n, mean = len(chosen), float(np.mean(chosen))
        scores = np.array([(v - mean) / n if v is not None and d else 0.0 for v, d in zip(values, inside, strict=True)])
        error = math.sqrt((1 - self.n / self.population) * self.n * scores.var(ddof=1))
        half = scipy.stats.t.ppf(0.975, n - 1) * error
        self._put(path, mean, mean - half, mean + half)

    def distribution(self, path: str, values: Sequence[float | None], domain: Sequence[bool] | None = None) -> None:
        """Everything about one quantity of the sample."""
        inside = [True] * self.n if domain is None else list(domain)
        chosen = sorted(v for v, d in zip(values, inside, strict=True) if d and v is not None)
        n = len(chosen)
        self.numbers |= {f"{path}/n": n, f"{path}/minimum": chosen[0], f"{path}/maximum": chosen[-1]}
        self.mean(f"{path}/mean", values, inside)
        big = round(n * self.population / self.n)
        for p in (25, 50, 75, 90, 95, 99):
            position = (big - 1) * p / 100
            below = math.floor(position) + 1
            above = below + (position != math.floor(position))
            # The largest rank that is not above, and the smallest that is not below, each with 97.5 %.
            lows = np.flatnonzero(scipy.stats.hypergeom.sf(np.arange(n), big, below, n) >= 0.975)
            highs = np.flatnonzero(scipy.stats.hypergeom.cdf(np.arange(n), big, above - 1, n) >= 0.975)
            name = f"{path}/percentiles/p{p}"
            self.numbers[name] = float(np.percentile(chosen, p))
            if len(lows):
                self.numbers[f"{name}/low"] = min(chosen[lows[-1]], self.numbers[name])
            if len(highs):
                self.numbers[f"{name}/high"] = max(chosen[highs[0]], self.numbers[name])

    def _put(self, path: str, value: float, low: float, high: float, **more: float) -> None:
        self.numbers |= {path: value, f"{path}/low": low, f"{path}/high": high}
        self.numbers |= {f"{path}/{name}": number for name, number in more.items()}

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

    @property
    def measured(self) -> list[bool]:
        return [row["true_width"] is not None for row in self.sample]

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
            "declared_minimum_side_px": 1024,
        }
        for name, value in self.requirement.items():
            if isinstance(value, int | float):
                self.numbers[f"requirement/{name}"] = value
        self.numbers |= {f"requirement/edges_px/{i}": e for i, e in enumerate(self.requirement["edges_px"])}

    def _sizes(self) -> None:
        for name in ("width", "height", "short_side", "megapixels"):
            path = f"sizes/{name}/views"
            everybody = sorted(measure(row, "declared", name) for row in self.everybody)
            stepped = [math.floor(value * 100) / 100 for value in everybody] if name == "megapixels" else everybody
            self.numbers |= {
                f"{path}/declared_all/n": self.population,
                f"{path}/declared_all/minimum": stepped[0],
                f"{path}/declared_all/maximum": stepped[-1],
                f"{path}/declared_all/mean": float(np.mean(everybody)),
            }
            for p in (25, 50, 75, 90, 95, 99):
                self.numbers[f"{path}/declared_all/percentiles/p{p}"] = float(np.percentile(stepped, p))
            self.distribution(f"{path}/declared_sample", [measure(row, "declared", name) for row in self.sample])
            true = [
                measure(row, "true", name) if there else None
                for row, there in zip(self.sample, self.measured, strict=True)
            ]
            self.distribution(f"{path}/true_sample", true, self.measured)

    def _views(self, path: str, test: Any, *, bounds: bool = False) -> None:  # noqa: ANN401
        """One property in its three views; ``test`` takes (width, height)."""
        everybody = [test(row["declared_width"], row["declared_height"]) for row in self.everybody]
        self.exact(f"{path}/views/declared_all", sum(everybody), self.population)
        declared = [test(row["declared_width"], row["declared_height"]) for row in self.sample]
        self.share(f"{path}/views/declared_sample", declared)
        true = [
            there and test(row["true_width"], row["true_height"])
            for row, there in zip(self.sample, self.measured, strict=True)
        ]
        self.share(f"{path}/views/true_sample", true, self.measured)
        if bounds:
            self._bounds(f"{path}/over_all_rows", true, self.measured)
            self.share(f"{path}/obtainable", true)

    def _classes(self) -> None:
        for label, (low, high) in LABELS.items():
            self._views(f"buckets/{label}", lambda w, h, a=low, b=high: a <= min(w, h) < b, bounds=True)
            self._views(f"historical_buckets/{label}", lambda w, h, name=label: historical(w, h) == name)
        for side in (1024, 2048, 4096):
            self.numbers[f"thresholds/{side}/minimum_side_px"] = side
            self._views(f"thresholds/{side}", lambda w, h, s=side: min(w, h) >= s, bounds=True)
        for shape in ("square", "landscape", "portrait"):
            self._views(f"aspect/{shape}", lambda w, h, name=shape: aspect(w, h) == name)
        ratios = [row["declared_width"] / row["declared_height"] for row in self.everybody]
        self.numbers["aspect_mean/declared_all"] = float(np.mean(ratios))
        declared = [row["declared_width"] / row["declared_height"] for row in self.sample]
        self.mean("aspect_mean/declared_sample", declared, [True] * self.n)
        true = [row["true_width"] / row["true_height"] if row["true_width"] else None for row in self.sample]
        self.mean("aspect_mean/true_sample", true, self.measured)

    def _anomaly(self) -> None:
        self._views("anomaly/historical", lambda w, h: historical(w, h) == "< 1024")
        self._views("anomaly/short_side", lambda w, h: min(w, h) < 1024)
        for old in [path for path in self.numbers if path.startswith(("anomaly/historical/", "anomaly/short_side/"))]:
            self.numbers[old.replace("/views/", "/")] = self.numbers.pop(old)
        kinds = [kinds_of(row) for row in self.sample]
        inside = [historical(row["declared_width"], row["declared_height"]) == "< 1024" for row in self.sample]
        everywhere = [True] * self.n
        for kind in ("straddles_buckets", "declared_below_minimum", "true_below_minimum", "declared_swapped"):
            having = [kind in found for found in kinds]
            told = self.measured if kind in ("true_below_minimum", "declared_swapped") else everywhere
            self.share(f"anomaly/kinds/{kind}/share", having, told)
            both = [i and t for i, t in zip(inside, told, strict=True)]
            self.share(f"anomaly/kinds/{kind}/within_historical", having, both)
            if told is not everywhere:
                self._bounds(f"anomaly/kinds/{kind}/over_all_rows", having, told)
        straddling = sum("straddles_buckets" in kinds_of(row) for row in self.everybody)
        small = sum(short_of(row) < 1024 for row in self.everybody)
        self.exact("anomaly/kinds/straddles_buckets/declared_all", straddling, self.population)
        self.exact("anomaly/kinds/declared_below_minimum/declared_all", small, self.population)
        self.share(
            "anomaly/genuinely_small", [i and short_of(r) < 1024 for i, r in zip(inside, self.sample, strict=True)]
        )
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
            self.share(f"agreement/{name}/share", [match(row) == name for row in self.sample], self.measured)
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
        for place, outcome in enumerate(ranked(row["outcome"] for row in self.sample)):
            self.share(f"reach/outcomes/{place}/share", [row["outcome"] == outcome for row in self.sample])
        formats = ranked(row["format"] for row in self.sample if row["true_width"] is not None)
        for place, name in enumerate(formats):
            self.share(f"reach/formats/{place}/sample", [row["format"] == name for row in self.sample], measured)
        self.distribution("reach/file_bytes", [row["file_bytes"] for row in self.sample], measured)
        high = [short_of(row) >= 2048 for row in self.sample]
        self.share("reach/declared_high_among_reached", high, measured)
        self.share("reach/declared_high_among_unreached", high, [not there for there in measured])
        self._named("hosts/top", [host(row) for row in self.sample], [host(row) for row in self.everybody])
        hosts = ranked(host(row) for row in self.sample)
        self.numbers["hosts/distinct_in_sample"] = len(hosts)
        self.share("hosts/top_1", [host(row) in hosts[:1] for row in self.sample])
        self.share("hosts/top_10", [host(row) in hosts[:10] for row in self.sample])
        self._named("languages", [row["language"] for row in self.sample], [row["language"] for row in self.everybody])

    def _named(self, path: str, names: list[str], everybody: list[str]) -> None:
        for place, name in enumerate(ranked(names)[:20]):
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
        often = Counter(text.lower() for text in captions)
        self.share("captions/repeated", [bool(text) and often[text.lower()] > 1 for text in captions])
        for name, cutoff in (("similarity", None), ("punsafe", 0.5), ("pwatermark", 0.8)):
            least = -1 if name == "similarity" else 0
            values = [row[name] if row[name] is not None and least <= row[name] <= 1 else None for row in self.sample]
            known = [value is not None for value in values]
            self.share(f"scores/{name}/missing", [value is None for value in values])
            self.distribution(f"scores/{name}/sample", values, known)
            if cutoff is not None:
                self.numbers[f"scores/{name}/cutoff"] = cutoff
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
        tests: dict[str, tuple[int, Any]] = {
            "everything": (0, lambda _: True),
            "required": (1024, lambda _: True),
            "historical": (1024, lambda r: historical(r["declared_width"], r["declared_height"]) != "< 1024"),
            "high": (2048, lambda _: True),
            "similarity": (1024, lambda r: limits[r["language"] == "en"] <= r["similarity"] <= 1),
            "no_watermark": (1024, lambda r: r["pwatermark"] is not None and r["pwatermark"] < mark),
            "safe": (1024, lambda r: r["punsafe"] is not None and r["punsafe"] < unsafe),
            "captions": (1024, lambda r: not useless(r["caption"] or "")),
        }
        tests["combined"] = (1024, lambda r: all(tests[n][1](r) for n in ("no_watermark", "safe", "captions")))
        for name, (side, test) in tests.items():
            asked = [short_of(row) >= side and test(row) for row in self.sample]
            left = [
                wanted and row["true_width"] is not None and min(row["true_width"], row["true_height"]) >= side
                and not row["opted_out"]
                for wanted, row in zip(asked, self.sample, strict=True)
            ]  # fmt: skip
            path = f"yields/{name}"
            self.share(f"{path}/attempted", asked)
            self.share(f"{path}/share", left)
            for end in ("", "/low", "/high"):
                self.numbers[f"{path}/rows{end}"] = self.numbers[f"{path}/share{end}"] * self.population
            sizes = [row["file_bytes"] for row in self.sample]
            self.mean(f"{path}/mean_bytes", sizes, left)
            mean = self.numbers[f"{path}/mean_bytes"]
            filled = [(mean if s is None else s) if wanted else 0.0 for s, wanted in zip(sizes, left, strict=True)]
            self._total(f"{path}/bytes", filled)
            if name == "combined":
                self._strategy(asked)

    def _total(self, path: str, values: Sequence[float]) -> None:
        scale = self.population / self.n
        total = sum(values) * scale
        error = scale * math.sqrt(self.n * (1 - self.n / self.population) * np.var(values, ddof=1))
        half = scipy.stats.t.ppf(0.975, self.n - 1) * error
        self._put(path, total, max(total - half, sum(values)), total + half)

    def _strategy(self, asked: Sequence[bool]) -> None:
        scale, found = self.population / self.n, self.numbers
        self.numbers |= {
            f"strategy/{to}{end}": found[f"yields/combined/{of}{end}"]
            for to, of in (("images", "rows"), ("bytes", "bytes"))
            for end in ("", "/low", "/high")
        }
        small = [
            row["file_bytes"] or 0
            for row, wanted in zip(self.sample, asked, strict=True)
            if wanted and row["true_width"] is not None and min(row["true_width"], row["true_height"]) < 1024
        ]
        busiest = Counter(host(row) for row, wanted in zip(self.sample, asked, strict=True) if wanted).most_common(1)
        self.numbers |= {
            "strategy/attempts": round(sum(asked) * scale),
            "strategy/attempts_for_rows_wanted": self.requirement["rows_wanted"]
            * sum(asked)
            * scale
            / found["yields/combined/rows"],
            "strategy/wasted_bytes": sum(small) * scale,
            "strategy/line_hours": found["yields/combined/bytes"] * 8 / self.requirement["bandwidth_mbit_s"] / 3.6e9,
            "strategy/busiest_host_rows": busiest[0][1] * scale,
            "strategy/busiest_host_hours": busiest[0][1] * scale / self.requirement["requests_per_host_s"] / 3600,
        }

    def _criteria(self) -> None:
        wanted = self.requirement
        for name, path, target in (
            ("declared_minimum", "thresholds/1024/views/declared_all", 1),
            ("true_minimum", "thresholds/1024/views/true_sample", wanted["minimum_size_share"]),
            ("high_resolution", "thresholds/2048/views/true_sample", wanted["minimum_high_share"]),
            ("reachable", "reach/reachable", wanted["minimum_reachable_share"]),
            ("rows", "yields/combined/rows", wanted["rows_wanted"]),
            ("caption_words", "captions/words/percentiles/p50", wanted["minimum_median_words"]),
            ("captions", "captions/useless", wanted["maximum_boilerplate_share"]),
            ("watermarks", "scores/pwatermark/at_or_above_cutoff_all", wanted["maximum_watermark_share"]),
            ("unsafe", "scores/punsafe/at_or_above_cutoff_all", wanted["maximum_unsafe_share"]),
        ):
            self.numbers[f"criteria/{name}/target"] = target
            for end in ("", "/low", "/high"):
                self.numbers[f"criteria/{name}/measured{end}"] = self.numbers[f"{path}{end}"]

    def _sample_sizes(self) -> None:
        share = "thresholds/1024/views/true_sample"
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


def historical(width: int, height: int) -> str:
    """As the one-off script had it."""
    if 1024 <= width < 2048 and 1024 <= height < 2048:
        return "1024-2048"
    if 2048 <= width < 4096 and 2048 <= height < 4096:
        return "2048-4096"
    return "4096+" if width >= 4096 or height >= 4096 else "< 1024"


def aspect(width: int, height: int) -> str:
    ratio = width / height
    return "landscape" if ratio > 1.1 else "portrait" if ratio < 0.9 else "square"


def kinds_of(row: Row) -> set[str]:
    width, height, kinds = row["declared_width"], row["declared_height"], set()
    if historical(width, height) == "< 1024" and min(width, height) >= 1024:
        kinds.add("straddles_buckets")
    if min(width, height) < 1024:
        kinds.add("declared_below_minimum")
    if row["true_width"] is not None:
        if min(row["true_width"], row["true_height"]) < 1024 <= min(width, height):
            kinds.add("true_below_minimum")
        if match(row) == "swapped":
            kinds.add("declared_swapped")
    return kinds


def match(row: Row) -> str | None:
    if row["true_width"] is None:
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


def ranked(names: Any) -> list[str]:  # noqa: ANN401
    return [name for name, _ in sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0]))]
