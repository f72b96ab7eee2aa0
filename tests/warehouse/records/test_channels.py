"""What a channel must look like before anything is sent to it."""

import pytest

from warehouse.records.channels import DEFAULT_EVENT_TYPES, check_channel, shown_address
from warehouse.records.errors import ChannelRefused, EndpointRefused


def check(kind: str, address: str, *event_types: str, allow: tuple[str, ...] = ()) -> None:
    check_channel(kind, address, event_types=event_types or DEFAULT_EVENT_TYPES, allow=allow)


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("webhook", "https://example.com/hook"),
        ("slack", "https://hooks.slack.com/services/T000/B000/XXXX"),
        ("email", "ann@example.com"),
        ("email", "ann.o'neil+alerts@mail.example.co"),
    ],
)
def test_what_can_be_reached_is_taken(kind: str, address: str) -> None:
    check(kind, address)


@pytest.mark.parametrize(
    ("address"),
    [
        "", "ann", "ann@", "@example.com", "ann@example", "ann@exa mple.com", "ann@example.com, bob@example.com",
        "ann@example.com\r\nBcc: bob@example.com", "Ann <ann@example.com>", "ann@@example.com", "ann@example.com\x00",
        "<ann@example.com>", "ann@[127.0.0.1]", "änn@example.com", f"{'a' * 65}@example.com",
        f"ann@{'a' * 250}.com", "ann@-example.com", '"a b"@example.com', ".ann@example.com", "ann@example..com",
    ],
)  # fmt: skip
def test_what_is_no_mailbox_is_refused(address: str) -> None:
    with pytest.raises(ChannelRefused, match="must be a mail address"):
        check("email", address)


@pytest.mark.parametrize(
    "address",
    [
        "https://slack.com/services/T/B/X",
        "https://hooks.slack.com/",
        "https://hooks.slack.com.evil.example/services/T/B/X",
    ],
)
def test_what_is_no_incoming_webhook_of_slack_is_refused_and_its_secret_not_repeated(address: str) -> None:
    with pytest.raises(ChannelRefused, match="must be that of an incoming webhook") as refused:
        check("slack", address)
    assert "T/B/X" not in str(refused.value)


def test_a_slack_channel_over_plain_http_is_refused() -> None:
    with pytest.raises(EndpointRefused):
        check("slack", "http://hooks.slack.com/services/T/B/X")


def test_a_receiver_that_is_listed_may_play_slack() -> None:
    check("slack", "http://127.0.0.1:9000/services/T/B/X", allow=("127.0.0.1:9000",))


@pytest.mark.parametrize("event_types", [["Alert"], ["alert"], ["alert.%"], ["*.triggered"], [""], ["a.b"] * 21])
def test_event_types_that_mean_nothing_are_refused(event_types: list[str]) -> None:
    with pytest.raises(ChannelRefused, match="event types must be"):
        check("webhook", "https://example.com/", *event_types)


def test_no_kind_but_ours_is_known() -> None:
    with pytest.raises(ChannelRefused, match="webhook, email, slack; got 'pigeon'"):
        check("pigeon", "roof")


def test_of_a_slack_channel_only_the_host_is_shown() -> None:
    assert shown_address("slack", "https://hooks.slack.com/services/T/B/X") == "https://hooks.slack.com/..."
    assert shown_address("email", "ann@example.com") == "ann@example.com"
