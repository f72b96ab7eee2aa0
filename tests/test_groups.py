"""Tests of one group run on one worker: what they share is made once."""

import pytest


@pytest.mark.xdist_group("groups")
def test_a_test_is_known_by_its_group(request):
    # By the group's name in a test's id, so xdist tells which worker it belongs to; without it groups are ignored.
    assert request.node.nodeid.endswith("@groups") == request.config.getoption("loadgroup", default=False)
