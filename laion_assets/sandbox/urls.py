"""The URL of every page: made up, but written as shops, blogs and image servers write theirs.

A page's number stands in its URL as a dash and eight hexadecimal digits, which is how the web server finds the page
again without a table of URLs. Everything else in a URL is decoration.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from laion_assets.sandbox.draws import Draws, Ids
from laion_assets.sandbox.faults import FAULT_NUMBER
from laion_assets.sandbox.hosts import METADATA_SERVICE, NOTHING_LISTENS, PRIVATE_ADDRESS, make_hosts
from laion_assets.sandbox.pages import EXTENSIONS, Pages
from laion_assets.sandbox.spec import Ports, SandboxSpec

HTTPS_SHARE = 0.87
"""Of hosts, where the sandbox serves TLS at all."""

SLUG_WORDS = [
    "blue",
    "summer",
    "dress",
    "vintage",
    "poster",
    "garden",
    "kitchen",
    "wedding",
    "black",
    "white",
    "leather",
    "shoes",
    "modern",
    "sofa",
    "mountain",
    "lake",
    "portrait",
    "sunset",
    "city",
    "street",
    "food",
    "recipe",
    "chocolate",
    "cake",
    "watch",
    "silver",
    "ring",
    "gold",
    "necklace",
    "running",
    "jacket",
    "wool",
    "coffee",
    "table",
    "lamp",
    "rustic",
    "wood",
    "floor",
    "bath",
    "bedroom",
    "curtain",
    "pillow",
    "camera",
    "lens",
    "phone",
    "case",
    "laptop",
    "sleeve",
    "bag",
    "hat",
    "flower",
    "bouquet",
    "tree",
    "forest",
    "beach",
    "island",
    "harbour",
    "bridge",
    "castle",
    "church",
    "train",
    "car",
    "bicycle",
    "dog",
    "cat",
    "horse",
    "bird",
]
LOCAL_WORDS = ("café", "straße", "niño", "été", "красота", "東京", "写真", "öl")

_SIXTEEN_BITS = np.array([f"{number:04x}" for number in range(1 << 16)])


def page_urls(spec: SandboxSpec, pages: Pages, ports: Ports, ids: npt.NDArray[np.int64]) -> pl.Series:
    """The URLs of the pages numbered ``ids``."""
    draws = Draws(spec.seed)
    keys = ids.astype(np.uint64)
    marker = np.char.add(_SIXTEEN_BITS[ids >> 16], _SIXTEEN_BITS[ids & 0xFFFF])
    frame = pl.DataFrame(
        {
            "origin": _origins(spec, pages, ports, ids),
            "marker": marker,
            "style": _styles(spec)[pages.host[ids]],
            "extension": pl.Series(EXTENSIONS).gather(pages.extension[ids]),
            "slug": _slugs(draws, keys),
            "year": 2012 + draws.below("year", keys, 11),
            "month": 1 + draws.below("month", keys, 12),
            "shard": draws.below("shard", keys, 100),
            "width": np.array([480, 1200, 2048])[draws.below("query width", keys, 3)],
            "tail": _tails(draws, keys),
        }
    )
    month = pl.col("month").cast(pl.String).str.zfill(2)
    paths = [
        pl.format("/images/I/{}-{}._AC_SL1500_{}", "shard", "marker", "extension"),
        pl.format("/wp-content/uploads/{}/{}/{}-{}{}", "year", month, "slug", "marker", "extension"),
        pl.format("/cdn/shop/products/{}-{}{}?v=16{}04{}", "slug", "marker", "extension", "shard", "width"),
        pl.format("/media/catalog/product/cache/{}/{}-{}{}", "shard", "slug", "marker", "extension"),
        pl.format("/{}/-{}/w{}{}", "slug", "marker", "width", "extension"),
        pl.format("/api/v2/image{}?name={}&id=-{}&w={}&fit=crop", "extension", "slug", "marker", "width"),
    ]
    path = paths[-1]
    for style, each in enumerate(paths[:-1]):
        path = pl.when(pl.col("style") == style).then(each).otherwise(path)
    joint = pl.when(path.str.contains("?", literal=True)).then(pl.lit("&")).otherwise(pl.lit("?"))
    tail = pl.when(pl.col("tail") == "").then(pl.lit("")).otherwise(joint + pl.col("tail"))
    return frame.select((pl.col("origin") + path + tail).alias("url"))["url"]


def _styles(spec: SandboxSpec) -> npt.NDArray[np.int64]:
    return np.array([host.style for host in make_hosts(spec.hosts, named_share=spec.named_host_share)])


def _origins(spec: SandboxSpec, pages: Pages, ports: Ports, ids: npt.NDArray[np.int64]) -> pl.Series:
    """Scheme, host and port of each page, as its fault wants them."""
    hosts = make_hosts(spec.hosts, named_share=spec.named_host_share)
    plain = [f"http://{host.label}:{ports.web}" for host in hosts]
    secure = [f"https://{host.label}:{ports.tls}" if ports.tls else plain[rank] for rank, host in enumerate(hosts)]
    over_tls = Draws(spec.seed).uniform("https", np.arange(spec.hosts, dtype=np.uint64)) < HTTPS_SHARE
    usual = [secure[rank] if over_tls[rank] else plain[rank] for rank in range(spec.hosts)]
    host = pages.host[ids]
    fault = pages.fault[ids]
    origins = pl.Series(usual).gather(host).to_list()
    special = {FAULT_NUMBER[name]: name for name in _ORIGINS}
    for index in np.flatnonzero(np.isin(fault, list(special))):
        page = int(ids[index])
        address = hosts[host[index]].address
        origins[index] = _ORIGINS[special[int(fault[index])]](page, address, ports.web)
    return pl.Series(origins, dtype=pl.String)


_ORIGINS: dict[str, Callable[[int, str, int], str]] = {
    "dns_nxdomain": lambda page, _address, _port: f"http://www.gone-{page % 9973:04d}.invalid",
    "dns_servfail": lambda page, _address, port: f"http://img{page % 97}.servfail.test:{port}",
    "dns_silent": lambda page, _address, port: f"http://img{page % 97}.silent.test:{port}",
    "private_name": lambda page, _address, port: f"http://img{page % 97}.intranet.test:{port}",
    "private_address": lambda page, _address, _port: f"http://{(PRIVATE_ADDRESS, METADATA_SERVICE)[page % 2]}",
    "refused": lambda page, _address, port: f"http://{NOTHING_LISTENS}.{page // 250 % 250}.{1 + page % 250}:{port}",
    "tls_on_plain_port": lambda _page, address, port: f"https://{address}:{port}",
}
"""Where the fault is in the URL itself. Dead addresses are many, so that none fails often enough to be given up."""


def _slugs(draws: Draws, ids: Ids) -> pl.Series:
    words = pl.Series(SLUG_WORDS)
    chosen = [words.gather(draws.below(f"slug {number}", ids, len(words))) for number in range(3)]
    frame = pl.DataFrame({"a": chosen[0], "b": chosen[1], "c": chosen[2]})
    slug = pl.concat_str("a", "b", "c", separator="-")
    # Few people escape what is not ASCII in a URL; clients have to.
    local = pl.Series(LOCAL_WORDS).gather(draws.below("local", ids, len(LOCAL_WORDS)))
    rare = pl.Series(draws.uniform("local share", ids) < 0.004)
    return frame.with_columns(local=local, rare=rare).select(
        pl.when("rare").then(pl.concat_str("local", "a", separator="-")).otherwise(slug).alias("slug")
    )["slug"]


def _tails(draws: Draws, ids: Ids) -> pl.Series:
    """Tracking parameters: usually none, rarely thousands of characters (up to 3,487 have been seen)."""
    kind = draws.choice("tail", ids, [0.955, 0.03, 0.013, 0.002])
    tokens = [
        "",
        "utm_source=feed&utm_medium=rss",
        "resize=%28w%3A1600%29&quality=85&f=webp%2Cauto",
        "sig=" + "Q2FmZQ" * 500,
    ]
    return pl.Series(tokens).gather(kind)
