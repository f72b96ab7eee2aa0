"""One figure with its unit and its definition: a number without them is no result."""

from typing import NamedTuple


class Metric(NamedTuple):
    """A figure over a whole period.

    Attributes
    ----------
    name : str
        As stored in the column `metric`, for example sharpe.
    value : float
        NaN where it is not defined.
    unit : str
    definition : str
        How it is computed: annualisation, degrees of freedom, compounding.
    """

    name: str
    value: float
    unit: str
    definition: str
