"""The one place where img2dataset is imported, quietly and without what it does not need here.

Its modules import wandb, albumentations and pandas, 1.6 of the 1.9 s the import takes, which every worker pays; keeping
originals needs none of them. Here they load when first used: resizing does use albumentations. img2dataset itself is
not changed.
"""

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

_LAZY = ("wandb", "albumentations", "pandas")
_QUIET = {
    "NO_ALBUMENTATIONS_UPDATE": "1",  # asks PyPI for a newer version when imported
    "WANDB_MODE": "disabled",
    "OPENCV_LOG_LEVEL": "ERROR",
    "RAY_USAGE_STATS_ENABLED": "0",
}


class _Deferred(ModuleType):
    """Stands for a module until something of it is asked for.

    The standard library's LazyLoader does not do here: before Python 3.13 an import statement already wakes it up.
    """

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401
        name = self.__name__
        self.__dict__.update(importlib.import_module(name).__dict__)
        try:
            return self.__dict__[attribute]
        except KeyError:
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}") from None


@contextlib.contextmanager
def _deferring() -> Iterator[None]:
    """Give what is imported inside the block stand-ins; everybody else gets the modules themselves."""
    absent = [name for name in _LAZY if name not in sys.modules]
    sys.modules.update({name: _Deferred(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            if isinstance(sys.modules.get(name), _Deferred):
                del sys.modules[name]


os.environ.update(_QUIET)

with _deferring(), warnings.catch_warnings():
    # It uses imghdr, which Python 3.13 removed; standard-imghdr brings it back there.
    warnings.filterwarnings("ignore", "'?imghdr", DeprecationWarning)
    from img2dataset.distributor import multiprocessing_distributor, pyspark_distributor, ray_distributor
    from img2dataset.downloader import Downloader, compute_key
    from img2dataset.logger import CappedCounter
    from img2dataset.reader import Reader
    from img2dataset.resizer import Resizer
    from img2dataset.writer import BufferedParquetWriter, WebDatasetSampleWriter

__all__ = [
    "BufferedParquetWriter",
    "CappedCounter",
    "Downloader",
    "Reader",
    "Resizer",
    "WebDatasetSampleWriter",
    "compute_key",
    "multiprocessing_distributor",
    "pyspark_distributor",
    "ray_distributor",
]
