"""On disk: media as content-addressed files under one folder."""

from lamina.backends.files.media import FilesMedia

__all__ = ["FilesMedia"]
