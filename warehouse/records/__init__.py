"""Records that pipelines and API share: what a request holds, and its JSON schema. No SQL and no connection here."""
