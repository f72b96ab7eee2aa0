"""The pages that people look at: templates, and how numbers and names are written on them. No query, no handler."""
