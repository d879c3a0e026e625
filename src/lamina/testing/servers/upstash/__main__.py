"""Run the server: ``python -m lamina.testing.servers.upstash --port P --token T``."""

from __future__ import annotations

import sys

from lamina.testing.servers.upstash.serve import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
