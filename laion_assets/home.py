"""A home: the folder in which one machine keeps a lake and the Dagster instance that filled it.

`laion-assets demo` and `laion-assets dev` make one each where they are told to; a server has its own and sets the
same environment variables itself.
"""

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent

# Where `laion-assets dev` serves the lake's pages unless told otherwise: one port above the UI.
PAGES_URL = "http://127.0.0.1:3001"

# Each of these libraries asks or tells a server something when it starts, unless it is told not to.
NO_PHONING_HOME = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "WANDB_MODE": "disabled",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True)
class Home:
    """Where things lie in a home."""

    folder: Path

    @property
    def lake(self) -> Path:
        """What the assets hold."""
        return self.folder / "lake"

    @property
    def dagster_home(self) -> Path:
        """Runs, events, partitions, schedules."""
        return self.folder / "dagster_home"

    @property
    def sandbox_cache(self) -> Path:
        """What the sandbox generated, so that it starts faster the next time."""
        return self.folder / "sandbox"

    @property
    def environment_file(self) -> Path:
        """Shell commands that point a shell at this home, and at the sandbox beside it: ``. demo/environment``."""
        return self.folder / "environment"

    def prepare(self) -> None:
        """Make the folders, and give the Dagster instance the project's settings."""
        self.lake.mkdir(parents=True, exist_ok=True)
        self.dagster_home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT_ROOT / "dagster.yaml", self.dagster_home / "dagster.yaml")

    def environment(self) -> Mapping[str, str]:
        """The environment variables that make Dagster and the assets use this home."""
        return {
            "DAGSTER_HOME": str(self.dagster_home),
            "LAION_ASSETS_LAKE": str(self.lake),
            "LAION_ASSETS_PAGES": PAGES_URL,
            **NO_PHONING_HOME,
        }

    def enter(self, extra: Mapping[str, str] | None = None) -> None:
        """Prepare the home and point this process, and what it starts, at it.

        Args:
            extra: more variables, such as those of a sandbox; no token, since they are written down too.
        """
        self.prepare()
        variables = {**self.environment(), **(extra or {})}
        os.environ.update(variables)
        lines = (f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
        # The address of a source may hold a signature.
        self.environment_file.touch(mode=0o600)
        self.environment_file.chmod(0o600)
        self.environment_file.write_text("".join(lines))
