"""WHEN things run: Dagster definitions, and the doors to the outside (`sources`, `delivery`).

An asset reads, calls one function of `transforms` or `models`, writes and reports; what computes belongs there.
"""

import gc

# Definitions, dbt's manifest and events are a million objects that live as long as the process. To look for cycles
# among them after every 700 new ones takes a tenth of a run's processor time.
gc.set_threshold(50_000, 50, 100)
