"""Rankings by risk profile."""
