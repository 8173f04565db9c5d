"""Where our bytes live: a path per asset and part, atomic publication, local or S3."""
