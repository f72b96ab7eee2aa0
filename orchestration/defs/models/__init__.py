"""Training, forecasts and their evaluation."""
