"""WHERE things are kept: settings, clock, embedded server, migrations, bulk merge, and all SQL under `queries`.

Knows no other folder of ours. What is computed, when, or for whom is decided elsewhere.
"""
