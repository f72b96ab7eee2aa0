"""Tests of one group run on one worker: what they share is made once."""

import pytest


@pytest.mark.xdist_group("groups")
def test_a_test_is_known_by_its_group(request):
    # By the group's name in a test's id, so xdist tells which worker it belongs to; without it groups are ignored.
    assert request.node.nodeid.endswith("@groups") == request.config.getoption("loadgroup", default=False)


@pytest.fixture(scope="module")
def shared():
    """Nothing but something that a module shares."""


def test_what_a_module_shares_is_made_on_one_worker(shared, request):
    assert [mark.args for mark in request.node.iter_markers("xdist_group")] == [(__name__,)]
