"""The same two questions over the same tables, served as comparable systems are built; see `benchmarks.api`."""
