"""A small internet on loopback: a metadata hub and an image web with real faults."""
