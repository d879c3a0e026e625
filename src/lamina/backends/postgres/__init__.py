"""In PostgreSQL, directly: values, documents, and vectors by pgvector."""
