"""Who asks, and what they may do: keys, tokens, scopes, the audit log. All else is told a principal."""
