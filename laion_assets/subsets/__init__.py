"""Named predicates over valid rows, their funnel, and the plan of what downloading them will cost."""
