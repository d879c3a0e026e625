"""What ``lamina dev`` does: run servers for local development, and act on those that run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.config.sources import data_home
from lamina.testing.dev.acts import ACTS, act, status
from lamina.testing.dev.foreground import serve
from lamina.testing.dev.options import Options

if TYPE_CHECKING:
    from argparse import Namespace


def dev(told: Namespace) -> int:
    """Do what the command line says, and return the exit code.

    Raises:
        ServerFailed: A server cannot start, is not running, or there is no such one.
        StackError: The home is no folder.
    """
    home = data_home(told.home, os.environ.get("LAMINA_HOME"), "LAMINA_HOME", os.environ)
    if told.status:
        return status(home, as_json=told.json)
    for what in ACTS:
        if (name := getattr(told, what)) is not None:
            return act(home, what, name)
    options = Options(
        home=home,
        name=told.name,
        port=told.port,
        token=told.token,
        jwt_secret=told.jwt_secret,
        sql=told.sql,
        data=told.data,
    )
    return serve(options, as_json=told.json)
