"""What can go wrong on the way out.

::

    DeliveryError
    ├── AddressRefused      nothing may be sent to this address
    └── SecretMalformed     the signing secret is not a Standard Webhooks secret

A receiver that fails, hangs or answers with an error is none of these: it is an `Outcome`.
"""


class DeliveryError(Exception):
    """Something cannot be sent at all."""


class AddressRefused(DeliveryError):
    """Nothing may be sent to this address: it is not public, or not written as an address must be."""

    def __init__(self, address: str, *, must: str) -> None:
        super().__init__(
            f"delivery: the address must {must}; got {address!r}. "
            f"Use a public https address, or list host:port in FACTORLOOM_WEBHOOK_ALLOW on a machine of your own."
        )


class SecretMalformed(DeliveryError):
    """The signing secret is not one that Standard Webhooks knows; the secret itself is never shown."""

    def __init__(self) -> None:
        super().__init__(
            "delivery: a signing secret must be 'whsec_' and base64 of 24 to 64 bytes; got something else. "
            "Rotate the endpoint's secret."
        )
