"""Subset rows to webdataset shards, and the audit of what came out."""
