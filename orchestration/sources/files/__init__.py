"""A folder of Parquet or CSV files as a source: mapping in, streamed records out. Nothing is repaired in here."""
