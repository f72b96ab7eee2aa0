"""Evaluation of rules and delivery of what they announce."""
