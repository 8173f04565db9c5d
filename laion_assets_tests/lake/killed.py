"""What the processes do that write until a test kills them.

Apart from the tests: what these import, the processes need not.
"""

import itertools
import time

from laion_assets.lake.lake import Lake

KEY = ["laion_hr", "raw_metadata"]


def write_half(lake_uri: str) -> None:
    """Write half of a file, say so, and hang."""
    lake = Lake(lake_uri)
    with lake.publish(lake.uri(KEY, "x.bin")) as path:
        path.write_bytes(b"half of it")
        print("writing", flush=True)
        time.sleep(60)


def write_half_to_go_on(lake_uri: str) -> None:
    """The same with a file that whoever comes next goes on with."""
    lake = Lake(lake_uri)
    with lake.publish_resumable(lake.uri(KEY, "x.bin")) as path:
        path.with_name("x.bin.partial").write_bytes(b"half")
        print("writing", flush=True)
        time.sleep(60)


def write_in_turns(lake_uri: str, kinds: int, turns: int | None = None) -> None:
    """Write one file again and again, for ever unless told how often, each time with another byte."""
    lake = Lake(lake_uri)
    print("writing", flush=True)
    for turn in itertools.count() if turns is None else range(turns):
        lake.write_bytes(lake.uri(KEY, "x.bin"), bytes([turn % kinds]) * 200_000)


def write_pairs(lake_uri: str) -> None:
    """Write two files as one, again and again."""
    lake = Lake(lake_uri)
    print("writing", flush=True)
    for turn in itertools.count():
        with lake.publish_many([lake.uri(KEY, name) for name in ("first.bin", "last.bin")]) as paths:
            for path in paths:
                path.write_bytes(b"%d" % turn)
