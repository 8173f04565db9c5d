"""A Dagster asset platform that turns web-scale image-text metadata into training sets people can trust."""

from importlib.metadata import version

__version__ = version("laion-assets")
