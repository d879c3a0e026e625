"""Tables and functions by PostgREST's rules, those of version 12."""
