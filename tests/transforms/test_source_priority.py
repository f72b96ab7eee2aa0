import pandas as pd

from transforms.source_priority import first_of_each

KEY = ["source_symbol", "day"]


def facts(*rows: tuple[str, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*KEY, "close"]).astype({"source_symbol": "str", "day": "int64"})


def test_the_better_source_counts_where_both_have_a_fact_and_the_order_is_that_of_the_key():
    chosen = first_of_each(
        {"one": facts(("A", 1, 10.0), ("B", 2, 20.0)), "two": facts(("A", 1, 11.0), ("A", 2, 12.0), ("B", 1, 21.0))},
        key=KEY,
    )
    assert chosen[[*KEY, "source", "close"]].values.tolist() == [
        ["A", 1, "one", 10.0],
        ["A", 2, "two", 12.0],
        ["B", 1, "two", 21.0],
        ["B", 2, "one", 20.0],
    ]


def test_a_source_alone_is_put_in_order():
    alone = facts(("B", 1, 20.0), ("A", 2, 12.0), ("A", 1, 10.0))
    chosen = first_of_each({"one": facts(), "two": alone}, key=KEY)
    assert chosen.equals(alone.iloc[[2, 1, 0]].reset_index(drop=True).assign(source="two"))


def test_without_facts_the_columns_remain():
    chosen = first_of_each({"one": facts(), "two": facts()}, key=KEY)
    assert list(chosen.columns) == [*KEY, "close", "source"]
    assert chosen.empty
