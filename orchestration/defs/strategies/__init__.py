"""Strategies and orders of users, on paper."""
