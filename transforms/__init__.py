"""Pure functions on arrays and frames.

What belongs here: indicators, risk, weighting, backtests, evaluation, rules on records, the alert
state machine. Anything that needs a clock, a file, a socket or a log line belongs elsewhere.
"""
