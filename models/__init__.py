"""Forecasters and what trains them honestly: features, labels, splits, provenance.

Pure functions on frames that somebody else has read. Anything that needs a database, a socket, the
clock or the orchestrator belongs elsewhere.
"""
