"""Datasets side by side."""
