"""The host a URL really leads to, over a whole column: the one the web client would ask, null where it leads nowhere.

Otherwise a backslash, a full stop or user info would hide a host from rules, counts and conditions, and not from the
download.
"""

import polars as pl

# Nearly every URL: a name that needs no other reading than lower case; its last label is no number, so no address.
_PLAIN_HOST = (
    r"^[Hh][Tt][Tt][Pp][Ss]?://((?:[A-Za-z0-9_-]+\.)*[A-Za-z_-][A-Za-z0-9_-]*)\.?(?::[0-9]{0,4})?(?:[/?#\\]|$)"
)
_PLAIN_BYTES = 63  # as many as one label may have
# What has the host behind it, or more of the URL: a beginning that ends in slashes, or in what is dropped at an end.
_GOES_ON = r"^[/\\\t\r\n]*$|[\x00-\x20]$"


def hosts_of(urls: pl.Series) -> pl.Series:
    """The host of each URL.

    Args:
        urls: strings.

    Returns:
        Lower-case names without a trailing dot, or addresses in their canonical form.
    """
    from laion_assets.web.failure import Failure
    from laion_assets.web.url import MAX_URL_CHARS, parse_url

    def host(url: str) -> str | None:
        try:
            return parse_url(url).host
        except Failure:
            return None

    plain = urls.str.extract(_PLAIN_HOST, 1).str.to_lowercase()
    simple = (plain.str.len_bytes() <= _PLAIN_BYTES) & (urls.str.len_bytes() <= MAX_URL_CHARS)
    odd = (urls.is_not_null() & ~simple.fill_null(value=False)).arg_true()
    return plain.scatter(odd, [host(url) for url in urls.gather(odd)]) if len(odd) else plain


def host_of(url: pl.Expr) -> pl.Expr:
    """``hosts_of`` as an expression."""
    return url.map_batches(hosts_of, pl.String(), is_elementwise=True)


def host_counts(urls: pl.Series) -> pl.LazyFrame:
    """Rows per host, as counting ``hosts_of`` would give them.

    Nearly all URLs are only cut at their slashes, and what a host is, is decided once per distinct authority: 0.3 s of
    processor time for 1.33 million URLs, where one after the other takes 0.92 s.

    Args:
        urls: strings.

    Returns:
        Rows of ``name`` and ``count``, in no order; the name is null for URLs that lead nowhere.
    """
    from laion_assets.web.url import MAX_URL_CHARS

    url, count = pl.col("url"), pl.len().cast(pl.Int64).alias("count")
    with_tls, length = url.str.starts_with("https://"), url.str.len_bytes()
    cut = (with_tls | url.str.starts_with("http://")) & (length <= MAX_URL_CHARS)
    # Without TLS the search begins behind the host's first character: a slash in its place is left to hosts_of.
    begin, rest = pl.when(with_tls).then(8).otherwise(7), url.str.slice(8)
    slash = (length - rest.str.len_bytes() + rest.str.find("/", literal=True)).fill_null(length)
    authority = pl.when(cut).then(url.cast(pl.Binary).bin.slice(begin, slash - begin))

    def with_hosts(counted: pl.DataFrame) -> pl.DataFrame:
        names = counted.get_column("name")
        told = counted.with_columns(name=hosts_of("http://" + names + "/"))
        goes_on = told.get_column("name").is_null() & names.str.contains(_GOES_ON)
        if goes_on.any() or names.null_count():
            whole = ~cut.fill_null(value=False)
            if goes_on.any():
                whole |= authority.is_in(names.filter(goes_on).cast(pl.Binary).implode())
            few = urls.to_frame("url").filter(whole).select(name=url.map_batches(hosts_of, pl.String()))
            told = pl.concat([told.filter(names.is_not_null() & ~goes_on), few.group_by("name").agg(count)])
        return told.group_by("name").agg(pl.col("count").sum())

    counted = urls.to_frame("url").lazy().group_by(name=authority).agg(count)
    return counted.with_columns(pl.col("name").cast(pl.String)).map_batches(with_hosts)
