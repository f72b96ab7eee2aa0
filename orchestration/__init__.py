"""WHEN things run: Dagster definitions, and the doors to the outside (`sources`, `delivery`).

An asset reads, calls one function of `transforms` or `models`, writes and reports; what computes belongs there.
"""
