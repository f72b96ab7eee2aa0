"""Company statements."""
