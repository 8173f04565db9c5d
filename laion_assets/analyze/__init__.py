"""The analysis of one source, whoever published it: the assets of a dataset nobody described in YAML."""

from laion_assets.analyze.analysis import Analysis, AnalysisError, analyze

__all__ = ["Analysis", "AnalysisError", "analyze"]
