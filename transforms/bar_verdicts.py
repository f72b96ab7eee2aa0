"""Soft rules for daily bars: what may be stored, but not trusted, and what looks like a split nobody recorded."""
