"""The child process of ``start_sandbox``. People use ``laion-assets sandbox``."""

import argparse
import json
import sys
from pathlib import Path

from laion_assets.sandbox.process import serve_as_child
from laion_assets.sandbox.spec import SandboxSpec


def main() -> int:
    """Serve the sandbox described on the command line until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m laion_assets.sandbox")
    parser.add_argument("spec", help="fields of SandboxSpec as JSON")
    parser.add_argument("--cache", type=Path, help="folder of generated files; temporary if not given")
    parser.add_argument("--images-cache", required=True, type=Path, help="folder of encoded images")
    arguments = parser.parse_args()
    spec = SandboxSpec(**json.loads(arguments.spec))
    return serve_as_child(spec, cache=arguments.cache, images_cache=arguments.images_cache)


if __name__ == "__main__":
    sys.exit(main())
