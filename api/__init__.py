"""Who may look: HTTP handlers over the tables. A handler is a signature, one sentence and one query.

What computes belongs in `transforms/`, what waits belongs in a row that a sensor picks up; Dagster is not known here.
"""
