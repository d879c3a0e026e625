"""A local Upstash Vector: every kind of index over the wire protocol of the service.

::

    python -m lamina.testing.servers.upstash --port 8080 --token secret

The first segment of a path is the kind of index: ``dense``, ``sparse``, ``hybrid``, and with models
that embed text ``embedding``, ``hybrid-embedding`` and ``sparse-embedding``; so a client's URL is
``http://127.0.0.1:8080/dense``. ``KIND~NAME`` is another index of that kind, made when it is first
asked for. Nothing is kept on disk. ``GET /_ready`` answers once requests are served; `control`
describes the switches of a running server, ``--help`` those of the command line.

The service fixes the dimension of an index when it is created. Here it is what ``--dimension`` or
the control API say, or else what the first vector has; until there is one, `info` says 2, and a
reset that leaves no vector behind opens it again. Kinds that embed have 256, or more if the first
vector has more.

What no document and no client's test suite tells is a choice, and may differ from the service:
whether a missing field fails a filter, texts of refused limits, what a delete between two pages
does, how repeated sparse indices score, and all scores of embedded texts.
"""

from __future__ import annotations

from lamina.testing.servers.upstash.serve import main

__all__ = ["main"]
