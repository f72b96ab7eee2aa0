import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.daily_ranks import centred_ranks, daily_ranks

WHOLE = np.array([0, 5])


def test_least_is_zero_and_greatest_is_one_in_each_column():
    values = np.array([[3.0, -1.0], [1.0, -3.0], [5.0, -2.0]])
    assert daily_ranks(values, np.array([0, 3])).tolist() == [[0.5, 1.0], [0.0, 0.0], [1.0, 0.5]]


def test_equal_values_share_the_mean_of_their_places():
    values = np.array([[2.0], [1.0], [2.0], [2.0], [9.0]])
    assert daily_ranks(values, WHOLE)[:, 0].tolist() == [0.5, 0.0, 0.5, 0.5, 1.0]


def test_missing_values_stay_missing_and_take_no_place():
    values = np.array([[np.nan], [1.0], [np.nan], [2.0], [3.0]])
    np.testing.assert_array_equal(daily_ranks(values, WHOLE)[:, 0], [np.nan, 0.0, np.nan, 0.5, 1.0])


def test_a_value_alone_on_its_day_is_in_the_middle():
    assert centred_ranks(np.array([[7.0], [8.0], [4.0]]), np.array([0, 1, 3]))[:, 0].tolist() == [0.0, 0.5, -0.5]


def test_no_rows_give_no_ranks():
    assert daily_ranks(np.empty((0, 3)), np.array([0])).shape == (0, 3)


@given(arrays(np.float64, (12, 3), elements=st.sampled_from([np.nan, 0.0, 1.0, 2.0, 3.0, 4.0])))
def test_ranks_equal_those_of_pandas(values):
    starts = np.array([0, 4, 5, 12])
    day = pd.Series(np.repeat([0, 1, 2], [4, 1, 7]))
    grouped = pd.DataFrame(values).groupby(day)
    places, present = grouped.rank(), grouped.transform("count")
    expected = ((places - 1) / (present - 1)).where(present > 1, places * 0 + 0.5)
    np.testing.assert_array_equal(daily_ranks(values, starts), expected.to_numpy())
