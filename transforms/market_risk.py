"""Rolling regressions of daily returns on the benchmark: beta and idiosyncratic volatility."""
