"""One script per claim about speed, each measuring a peer and us in the same run."""
