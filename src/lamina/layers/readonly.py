"""Take writes away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from lamina.layer import Layer

if TYPE_CHECKING:
    from lamina.capabilities import Capabilities
    from lamina.operation import Operation


@final
class ReadOnly(Layer):
    """Take all operations that write away, so that each is refused before anything is sent.

    Reads pass through at no cost: what answers them is what answers them without this layer.
    Layers above see no writes; what layers below write by themselves is not theirs to refuse.

    Raises:
        Unsupported: The operation writes; the message names this layer. Nothing was sent.
    """

    slot = "readonly"

    def wants(self, op: type[Operation[Any]]) -> bool:
        del op
        return False

    def serves(self, below: Capabilities) -> Capabilities:
        return below.without(lambda op: op.writes)
