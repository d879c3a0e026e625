"""What every key-value backend must do."""

from lamina.testing.contracts.keyvalue.atomic import AtomicKeyValue
from lamina.testing.contracts.keyvalue.basics import BasicKeyValue
from lamina.testing.contracts.keyvalue.expiry import ExpiringKeyValue
from lamina.testing.contracts.keyvalue.model import ModelledKeyValue
from lamina.testing.contracts.keyvalue.scans import ScannedKeyValue
from lamina.testing.contracts.keyvalue.values import DrawnKeyValue


class KeyValueContract(
    BasicKeyValue,
    ScannedKeyValue,
    ExpiringKeyValue,
    AtomicKeyValue,
    DrawnKeyValue,
    ModelledKeyValue,
):
    """Define ``backend()``, which gives a new, empty key-value backend."""


__all__ = ["KeyValueContract"]
