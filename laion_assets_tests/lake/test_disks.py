"""A lake whose folders lie on several disks."""

import tempfile
from pathlib import Path

import pytest

from laion_assets.lake.lake import Lake


def test_files_of_one_pass_may_end_on_different_disks(local_lake: Lake, tmp_path: Path) -> None:
    if not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:  # noqa: S108
        pytest.skip("there is only one disk here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        Path(local_lake.base_uri).mkdir()
        Path(local_lake.base_uri, "moved").symlink_to(elsewhere)
        uris = [
            local_lake.uri(["moved"], "x.bin"),
            local_lake.uri(["stayed"], "x.bin"),
            local_lake.uri(["moved"], "y.bin"),
        ]
        for order in (uris, uris[::-1]):
            with local_lake.publish_many(order) as paths:
                for path, uri in zip(paths, order, strict=True):
                    path.write_text(uri)
            assert [local_lake.read_bytes(uri).decode() for uri in uris] == uris
        assert sorted(path.name for path in Path(elsewhere).iterdir()) == ["x.bin", "y.bin"]
