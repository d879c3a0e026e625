"""S3, and what speaks its protocol."""

from lamina.backends.s3.media import S3Media

__all__ = ["S3Media"]
