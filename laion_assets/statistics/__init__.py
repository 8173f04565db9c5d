"""Size distributions, intervals, the below-1024 anomaly, figures and report."""
