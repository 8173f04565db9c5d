"""Sampling, header probing, and the outcomes of a sample."""
