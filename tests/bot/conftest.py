from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "layers.md": """# Layers

Every layer has a slot, its place in the order. The cache stands outside of retry.

## Cache

Keeps answers for a while. A write makes what it touches wrong.

## Breaker

Opens after too many failures and lets probes through later.
""",
    "build-a-layer.md": """# How to add a layer

A layer stands between the caller and the backend. It is one class in one file.

## 1. Write the class

Name its slot and write `around`:

```python
class Mine(Layer):
    slot = "limit"

    async def around(self, op, inner):
        return await inner(op)
```

## 2. Test it

Run the public suite of layers over it.
""",
    "build-a-backend.md": """# How to add a backend

A backend is one class for each domain that a system serves.

## Test it

Run the conformance suite of its domain over it.
""",
    "notes/bread.txt": "To bake bread, let the dough rest for twelve hours, then heat the oven.\n",
}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
