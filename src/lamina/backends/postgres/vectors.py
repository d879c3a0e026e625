"""Vectors."""


class PostgresVectors: ...
