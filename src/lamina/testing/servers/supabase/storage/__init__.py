"""Objects in buckets by the rules of Supabase Storage 1.11."""
