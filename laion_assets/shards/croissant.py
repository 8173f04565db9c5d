"""MLCommons Croissant metadata of a subset: every tar as a file with its checksum, every row of the shards as a record.

Format: Croissant 1.0, https://docs.mlcommons.org/croissant/docs/croissant-spec.html. Images stay inside the tars; the
record says which tar and which key.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from laion_assets.shards.index import Index
from laion_assets.subsets.spec import SubsetSpec

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_ROWS = "rows"
_TABLES = "tables"


def croissant(index: Index, dataset: str, subset: SubsetSpec, columns: Mapping[str, pl.DataType]) -> dict[str, Any]:
    """Describe a subset's folder.

    Args:
        index: its shards.
        dataset: the dataset's name.
        subset: which subset it is.
        columns: columns of the shards' parquet files, with their types.
    """
    tars = [
        {
            "@type": "cr:FileObject",
            "@id": entry.tar,
            "name": entry.tar,
            "contentUrl": entry.tar,
            "contentSize": f"{entry.stats.tar_bytes} B",
            "encodingFormat": "application/x-tar",
            "sha256": entry.stats.tar_sha256,
        }
        for entry in index.entries
    ]
    tables = {
        "@type": "cr:FileSet",
        "@id": _TABLES,
        "name": _TABLES,
        "description": "Beside each tar, how every planned row ended.",
        "encodingFormat": "application/x-parquet",
        "includes": "shards/*/*.parquet",
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"{dataset}_{subset.name}",
        "description": subset.description or f"Image-text pairs of {dataset}, subset {subset.name}.",
        "version": "1.0.0",
        "keywords": ["image-text", "webdataset"],
        "distribution": [*tars, tables],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": _ROWS,
                "name": _ROWS,
                "description": "One record per planned row and try; its image, if any, is in the tar beside the table, "
                "under the same key.",
                "field": [_field(name, dtype) for name, dtype in columns.items()],
            }
        ],
    }


def _field(name: str, dtype: pl.DataType) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{_ROWS}/{name}",
        "name": name,
        "dataType": _data_type(dtype),
        "source": {"fileSet": {"@id": _TABLES}, "extract": {"column": name}},
    }


def _data_type(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "sc:Integer"
    if dtype.is_float():
        return "sc:Float"
    return "sc:Boolean" if dtype == pl.Boolean() else "sc:Text"
