"""The guarded HTTP client that everything touching the open web goes through."""
