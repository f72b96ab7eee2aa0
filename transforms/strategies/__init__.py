"""Trading strategies: what they decide at a close, and how that becomes orders of a certain size."""
