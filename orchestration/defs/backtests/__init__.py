"""Backtests of the rankings."""
