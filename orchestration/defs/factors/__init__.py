"""The dbt tables: staging, marts, factors; and the rolling regressions they read."""
