"""Lets `python -m factorloom` do what the console script does."""

from factorloom.cli import app

if __name__ == "__main__":
    app()
