"""The report of a backtest: one HTML page with everything in it, which asks no network for anything."""
