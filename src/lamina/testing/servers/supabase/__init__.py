"""A local Supabase: PostgREST's and Storage's answers, on a real PostgreSQL.

``/rest/v1/...`` and ``/storage/v1/...`` as on Supabase. A first path segment ``/~NAME`` selects
another project: the database NAME of the same server, made on first use. ``GET /_ready`` is 200.

As PostgREST by default, it sums nothing up and explains nothing; ``--aggregates`` and ``--plans``
let callers ask for that. Served are ``public`` and every schema of your own, or ``--schemas``.
Storage has no image transformation, S3 or TUS.

``/_control`` needs no key, on any project's path:

- ``POST /_control/project`` with ``{"name": "a", "sql": "..."}`` makes a project and runs SQL in
  it, after the roles, the schemas ``auth`` and ``storage``, and the default rights are there.
- ``POST /_control`` adds faults for the next calls of the project whose path it has; one object,
  or a list of them::

    {
        "times": 2,
        "path": "/rest/v1/",
        "method": "GET",  # which: all are optional
        "status": 503,
        "headers": {"Retry-After": "0"},
        "body": {"code": "PGRST002"},
        "preset": "schema-cache"
        | "pool"
        | "timeout"
        | "throttled"
        | "gateway"
        | "no-code"
        | "html",
        "delay": 0.5,
        "hang": true,
        "reset": "before" | "after",
    }

  *body* is text, or JSON that is sent as such. *delay* (seconds) and *reset* "after" still carry
  the call out if no *status* or *preset* is given; *hang* and *reset* "before" do not.
- ``GET /_control`` tells ``{"calls": {"POST /rest/v1/t": 3}, "faults": 1}``.
- ``DELETE /_control`` forgets faults and counts.
"""
