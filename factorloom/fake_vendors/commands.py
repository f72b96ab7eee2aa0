"""Runs a fake vendor until it is interrupted."""

from collections.abc import Callable, Mapping

from factorloom.errors import FakeVendorPortTaken, UnknownFakeVendor
from factorloom.fake_vendors.eodhd import FakeEodhd
from factorloom.fake_vendors.market import FakeMarket
from factorloom.fake_vendors.massive import FakeMassive
from factorloom.fake_vendors.nordnet import FakeNordnet
from factorloom.fake_vendors.server import Answering, FakeVendor, Faults
from factorloom.fake_vendors.twelve_data import FakeTwelveData
from factorloom.fake_vendors.yahoo import FakeYahoo
from orchestration.calendars import HomeCalendar

FAKES: Mapping[str, Callable[[FakeMarket], Answering]] = {
    "eodhd": FakeEodhd,
    "massive": FakeMassive,
    "nordnet": FakeNordnet,
    "twelve_data": FakeTwelveData,
    "yahoo": FakeYahoo,
}
# The plan without a budget that would make a trial slow.
PLANS = {"eodhd": "paid", "massive": "paid", "nordnet": "account", "twelve_data": "pro_1597", "yahoo": "personal"}


def fake_vendor(name: str, *, port: int, n_companies: int, faults: Faults, say: Callable[[str], None]) -> None:
    """Serve a vendor's formats over a made-up market, and say how a source is pointed at it.

    Raises
    ------
    UnknownFakeVendor
        If there is none of this name.
    FakeVendorPortTaken
        If something else listens on the port.
    """
    if name not in FAKES:
        raise UnknownFakeVendor(name, sorted(FAKES))
    market = FakeMarket(n_companies, HomeCalendar())
    try:
        serving = FakeVendor(FAKES[name](market), faults=faults, port=port)
    except OSError as error:
        raise FakeVendorPortTaken(port) from error
    with serving as vendor:
        prefix = f"FACTORLOOM_{name.upper()}"
        say(f"A made-up {name} of {n_companies} companies answers at {vendor.url} until Ctrl-C. In another terminal:")
        given = {"API_KEY": "anything", "PLAN": PLANS[name], "BASE_URL": vendor.url}
        variables = " ".join(f"{prefix}_{setting}={value}" for setting, value in given.items())
        say(f"  FACTORLOOM_SOURCE={name} {variables} \\")
        say("    factorloom refresh")
        try:
            vendor.wait()
        except KeyboardInterrupt:
            said = ", ".join(f"{count} {kind}" for kind, count in sorted(vendor.met.items()))
            say(f"Stopped after {len(vendor.asked)} requests: {said or 'none'}.")
