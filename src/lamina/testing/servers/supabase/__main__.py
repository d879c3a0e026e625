"""Run the server: ``python -m lamina.testing.servers.supabase --port P --jwt-secret S``."""

from __future__ import annotations

import sys

from lamina.testing.servers.supabase.serve import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
