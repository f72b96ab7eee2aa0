"""Instruments, bars, dividends, splits, quotes, and the verdicts on bars."""
