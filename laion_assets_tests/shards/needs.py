"""What some tests need that pip does not bring."""

import pytest

from laion_assets.shards import planes

with_libturbojpeg = pytest.mark.skipif(
    planes.libturbojpeg() is None, reason="needs libturbojpeg: apt-get install libturbojpeg0"
)
