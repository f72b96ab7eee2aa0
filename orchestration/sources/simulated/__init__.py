"""A seeded market with known truth. `source` is what the platform sees; `truth` is for tests alone."""
