"""Raw files in, checked tables and a list of data queries out."""
