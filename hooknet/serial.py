"""Model objects to JSON and back, for the journal and the hooks' outbox.

msgspec does dataclasses, enums, bytes (base64) and datetimes; this adds the `ipaddress` types as text and mapping
proxies. What was written by an older hooknet reads with the defaults of the fields that it did not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, TypeVar

import msgspec

ADDRESS_TYPES = (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)

T = TypeVar("T")


def _encode_foreign(value: Any) -> Any:
    if isinstance(value, ADDRESS_TYPES):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def _decode_foreign(wanted: type, value: Any) -> Any:
    if wanted in ADDRESS_TYPES:
        return wanted(value)
    raise NotImplementedError(f"no conversion to {wanted}")


_encoder = msgspec.json.Encoder(enc_hook=_encode_foreign)
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def to_json(value: object) -> bytes:
    """JSON text of a model object. Raises TypeError or NotImplementedError for what is not of the model."""
    return _encoder.encode(value)


def from_json(text: bytes, wanted: type[T]) -> T:
    """The object that `to_json` wrote. Raises ValueError (msgspec.ValidationError, DecodeError) on anything else."""
    decoder = _decoders.get(wanted)
    if decoder is None:
        decoder = _decoders[wanted] = msgspec.json.Decoder(wanted, dec_hook=_decode_foreign, strict=False)
    result: T = decoder.decode(text)
    return result


def to_builtins(value: object) -> Any:
    """Plain dicts, lists, numbers and text of a model object, for a JSON answer."""
    return msgspec.to_builtins(value, enc_hook=_encode_foreign)
