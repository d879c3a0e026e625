"""Dense and sparse vectors."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from lamina.errors import Invalid
from lamina.values.checks import check_type


@final
@dataclass(frozen=True, slots=True)
class Vector:
    """A dense vector of finite float32 numbers, kept as little-endian bytes.

    Raises:
        Invalid: No bytes, empty, not a multiple of 4 bytes, or a number that is not finite.
    """

    data: bytes

    def __post_init__(self) -> None:
        check_type(self.data, bytes, what="a vector's data")
        if not self.data or len(self.data) % 4:
            msg = f"a vector has 4 bytes for each number, got {len(self.data)} bytes"
            raise Invalid(msg)
        if not math.isfinite(math.fsum(map(abs, memoryview(self.data).cast("f")))):
            msg = "a vector's numbers must be finite"
            raise Invalid(msg)

    @classmethod
    def of(cls, numbers: Iterable[float]) -> Vector:
        """Make a vector from numbers, rounded to float32."""
        if isinstance(numbers, bytes | bytearray):
            msg = "a vector is made of numbers; Vector(data) takes their bytes"
            raise Invalid(msg)
        try:
            return cls(array("f", numbers).tobytes())
        except (OverflowError, TypeError) as error:
            msg = "a vector is made of numbers that fit float32"
            raise Invalid(msg) from error

    @property
    def dimension(self) -> int:
        """How many numbers."""
        return len(self.data) // 4

    def numbers(self) -> tuple[float, ...]:
        """Return the numbers as floats."""
        return tuple(memoryview(self.data).cast("f"))

    def __repr__(self) -> str:
        return f"Vector(<{self.dimension} numbers>)"


@final
@dataclass(frozen=True, slots=True)
class SparseVector:
    """Pairs of int32 index and finite float32 value, as sent; a repeated index counts twice.

    Raises:
        Invalid: No tuples, the lengths differ, an index is no int32, or a value is not finite.
    """

    indices: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        check_type(self.indices, tuple, what="a sparse vector's indices")
        check_type(self.values, tuple, what="a sparse vector's values")
        if len(self.indices) != len(self.values):
            msg = f"{len(self.indices)} indices but {len(self.values)} values"
            raise Invalid(msg)
        try:
            array("i", self.indices)
            rounded = array("f", self.values)
        except (OverflowError, TypeError) as error:
            msg = "a sparse vector pairs int32 indices with float32 values"
            raise Invalid(msg) from error
        if not all(map(math.isfinite, rounded)):
            msg = "a sparse vector's values must be finite"
            raise Invalid(msg)

    def __repr__(self) -> str:
        return f"SparseVector(<{len(self.indices)} entries>)"
