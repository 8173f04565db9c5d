"""What a YAML may say about a source, and how a mistake in it is told."""

import pytest
from pydantic import ValidationError

from laion_assets.sources.fetching import open_source
from laion_assets.sources.files import BucketSource, LocalSource
from laion_assets.sources.hub import HubSource
from laion_assets.sources.spec import SourceSpec
from laion_assets.sources.web_list import WebListSource


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("hf://datasets/laion/relaion-high-resolution/**/*.parquet", HubSource),
        ("hf://datasets/laion/relaion-high-resolution@v1.0", HubSource),
        ("hf://datasets/laion/x@refs/convert/parquet/default/*.parquet", HubSource),
        ("https://host/part-{00000..00127}.parquet", WebListSource),
        ("http://127.0.0.1:80/x", WebListSource),
        ("s3://bucket/prefix/*.parquet", BucketSource),
        ("/folder/*.parquet", LocalSource),
        ("file:///folder", LocalSource),
        ("  relative/folder  ", LocalSource),
    ],
)
def test_a_uri_names_its_source(uri: str, kind: type) -> None:
    assert type(open_source(SourceSpec(uri=uri))) is kind


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "is empty"),
        ("a\nb", "control characters"),
        ("gs://bucket/x", "no source is reached by gs://"),
        ("hf://laion/x/*.parquet", "a hub source reads hf://datasets/<owner>/<name>"),
        ("hf://datasets/laion", "a hub source reads"),
        ("https:///x", "names no host"),
        ("s3:///x", "names no bucket"),
        ("https://user:hunter2@host/x", "carries a user name or password"),
    ],
)
def test_a_wrong_uri_is_refused_and_not_repeated(uri: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        SourceSpec(uri=uri)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("part_key", "words"), [("part", "has no group"), ("(part", "not a regular expression")])
def test_a_part_key_is_an_expression_with_a_group(part_key: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SourceSpec(uri="x", part_key=part_key)


def test_a_revision_of_several_words_is_one_revision() -> None:
    source = open_source(SourceSpec(uri="hf://datasets/a/b@refs/convert/parquet/default/*.parquet"))
    assert isinstance(source, HubSource)
    assert source.repository == "a/b"
    assert source._parsed == {"repository": "a/b", "revision": "refs/convert/parquet", "glob": "default/*.parquet"}
