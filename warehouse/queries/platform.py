"""What the platform deletes when it has grown old. Parameter: before."""

DELETE_OLD_QUOTES = """
delete from raw.quotes where quoted_at < %(before)s
"""

DELETE_OLD_INTRADAY_RANKINGS = """
delete from research.rankings where is_intraday and as_of_date < %(before)s
"""

DELETE_OLD_EVENTS = """
delete from app.events where created_at < %(before)s
"""
