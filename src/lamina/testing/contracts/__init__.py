"""What every backend and every layer must do, as pytest classes to subclass.

``class TestMine(KeyValueContract): def backend(self): return MyBackend()`` is a whole suite. The
tests are ``async def``; ``lamina.testing.plugin`` runs them. What a backend does not serve is
skipped, once it is seen to be refused with ``Unsupported``.
"""

from lamina.testing.contracts.documents import DocumentsContract
from lamina.testing.contracts.keyvalue import KeyValueContract
from lamina.testing.contracts.layer import LayerContract
from lamina.testing.contracts.media import MediaContract
from lamina.testing.contracts.vectors import VectorsContract

__all__ = [
    "DocumentsContract",
    "KeyValueContract",
    "LayerContract",
    "MediaContract",
    "VectorsContract",
]
