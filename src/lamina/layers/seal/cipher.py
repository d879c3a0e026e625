"""AES-256-GCM, of the package cryptography, which is loaded when it is needed."""

from __future__ import annotations

from typing import Final, final

from lamina.errors import StackError

TAG: Final = 16
_NONCE: Final = bytes(12)  # a message's key is used once


@final
class Cipher:
    """Encrypts each message with a key that no other message has.

    Raises:
        StackError: The package is not installed.
    """

    def __init__(self) -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            msg = "Seal needs the package cryptography: pip install lamina[seal]"
            raise StackError(msg) from error
        self._aes = AESGCM
        self._wrong = InvalidTag

    def encrypt(self, key: bytes, data: bytes, about: bytes) -> bytes:
        """Return *data* encrypted, with a tag that covers *about* too."""
        return self._aes(key).encrypt(_NONCE, data, about)

    def decrypt(self, key: bytes, sealed: memoryview, about: bytes) -> bytes | None:
        """Return what was encrypted; None if anything of the three is another."""
        try:
            return self._aes(key).decrypt(_NONCE, sealed, about)
        except self._wrong:
            return None
