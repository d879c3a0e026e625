"""Supabase: documents in tables, media in Storage."""

from lamina.backends.supabase.documents import SupabaseDocuments
from lamina.backends.supabase.media import SupabaseMedia

__all__ = ["SupabaseDocuments", "SupabaseMedia"]
