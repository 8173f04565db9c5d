"""The columns of a probe: what one request for the first bytes of one image found out."""

import polars as pl

PROBE_SCHEMA: dict[str, pl.DataType] = {
    "outcome": pl.String(),
    "error": pl.String(),
    "http_status": pl.Int16(),
    "true_width": pl.Int32(),
    "true_height": pl.Int32(),
    "format": pl.String(),
    "exif_orientation": pl.Int8(),
    "file_bytes": pl.Int64(),
    "bytes_read": pl.Int64(),
    "requests": pl.Int16(),
    "seconds": pl.Float64(),
    "final_host": pl.String(),
    "opted_out": pl.Boolean(),
    "probed_at": pl.Datetime("us", "UTC"),
}
"""``outcome`` is a word of ``laion_assets.web.outcome``; sizes are stored sizes in px, before any EXIF rotation;
``file_bytes`` is the whole file's size where the server tells it; ``format`` is lower case: jpeg, png, …"""
