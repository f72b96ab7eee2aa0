"""Servers on this machine that speak vendors' formats, for tests and for a look at the sources without a key."""
