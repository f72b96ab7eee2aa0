"""The state machine of alerts: when a rule fires, when it lets go, and what is announced."""
