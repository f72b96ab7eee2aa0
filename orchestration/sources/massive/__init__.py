"""Massive, once Polygon.io: a module for each kind of answer, and the source that asks for them."""
