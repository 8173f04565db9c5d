"""Where each image format keeps its stored size: one module per format, and what they share."""
