"""What a rule can be about, read off the tables and their comments."""

from warehouse.queries.alert_metrics import read_catalogue


def test_closes_that_an_index_keeps_are_prices_per_share(database):
    """In whichever currency: a split inhibits a rule on them, as it does on any price."""
    with database.connect() as connection:
        metric = read_catalogue(connection).metrics["index_allocations.close_adj"]
    assert (metric.unit, metric.is_price, metric.is_adjusted) == ("currency per share", True, True)
