"""A Dagster asset platform that turns web-scale image-text metadata into training sets people can trust."""
