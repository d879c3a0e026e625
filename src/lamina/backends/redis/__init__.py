"""Redis and Valkey: key-value on a server, behind Sentinel, or in a cluster."""

from lamina.backends.redis.keyvalue import RedisKeyValue

__all__ = ["RedisKeyValue"]
