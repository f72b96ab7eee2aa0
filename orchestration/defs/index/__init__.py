"""Rule-based indices: what they hold, what they are worth, and their risk."""
