"""A fitted forecaster as bytes and back, without pickle: nothing in the bytes is ever executed.

The envelope is MessagePack: a format number, the version's record, the type, and the learnt values,
which are plain (see `models.forecaster`). Saving the same version gives the same bytes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from models.errors import UnreadableArtifact
from models.forecaster import learnt_values, restore
from models.registry import resolve_type
from models.training import ModelVersion, TrainedVersion

_FORMAT = 1


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    type: str
    version: ModelVersion
    learnt: dict[str, Any]


def save(trained: TrainedVersion) -> bytes:
    """Write a fitted forecaster and its record as bytes.

    Raises
    ------
    TypeError
        If a learnt value is not plain.
    """
    return msgspec.msgpack.encode(
        _Envelope(
            format=_FORMAT,
            type=trained.forecaster.name,
            version=trained.version,
            learnt=learnt_values(trained.forecaster),
        )
    )


def load(data: bytes) -> TrainedVersion:
    """Read what `save` has written; the forecaster then answers with the same bits.

    Raises
    ------
    UnreadableArtifact
        If the bytes are none of ours, or of another format.
    UnknownForecasterType
        If the package that brought the type is not installed.
    """
    try:
        envelope = msgspec.msgpack.decode(data, type=_Envelope)
    except msgspec.MsgspecError as exc:
        raise UnreadableArtifact(f"{len(data)} bytes ({exc})") from exc
    if envelope.format != _FORMAT:
        raise UnreadableArtifact(f"format {envelope.format}, this release reads {_FORMAT}")
    forecaster = resolve_type(envelope.type)(**envelope.version.parameters)
    return TrainedVersion(version=envelope.version, forecaster=restore(forecaster, envelope.learnt))
