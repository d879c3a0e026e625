"""Under which name an object of Storage is kept: Storage takes ASCII letters, digits, some marks.

``=u/`` is what stands before the parts of uploads.
"""

from __future__ import annotations

import re
from typing import Final

from lamina.backends.names import Names

_PLAIN: Final = re.compile(r"[A-Za-z0-9_\-.!*'() &$@;:+,]")

NAMES: Final = Names("=", lambda char: _PLAIN.fullmatch(char) is not None, longest=700)
UPLOADS: Final = NAMES.kept("u")
