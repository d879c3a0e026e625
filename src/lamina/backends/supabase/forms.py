"""The form by which Storage takes an object: what stands before its bytes and behind them."""

from __future__ import annotations

import json
from secrets import token_hex
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from lamina.backends.supabase.objects import Label


@final
class Form:
    """A form for an object with that *label*; without its end no server takes it for whole."""

    def __init__(self, label: Label) -> None:
        boundary = token_hex(16)
        fields = {"cacheControl": "3600", "metadata": json.dumps(label.kept())}
        heads = [
            f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        file = f'name="file"; filename="file"\r\ncontent-type: {label.content_type}'
        heads.append(f"--{boundary}\r\ncontent-disposition: form-data; {file}\r\n\r\n")
        self.type = f"multipart/form-data; boundary={boundary}"
        self.head = "".join(heads).encode()
        self.tail = f"\r\n--{boundary}--\r\n".encode()
