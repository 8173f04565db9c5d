"""Where parts are published: listing and fetching from a hub, S3, HTTPS or a local folder."""
