"""Typed client of the Factorloom API: `Client`, its lists, its events and its problems."""

from factorloom_client.client import Client
from factorloom_client.listing import Listing
from factorloom_client.problems import Problem
from factorloom_client.stream import Event

__all__ = ["Client", "Event", "Listing", "Problem"]
