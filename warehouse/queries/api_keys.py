"""Keys for scripts."""

INSERT_API_KEY = """
insert into app.api_keys (api_key_id, user_id, key_hash, scopes, label, created_at)
values (%(api_key_id)s, %(user_id)s, %(key_hash)s, %(scopes)s, %(label)s, %(now)s)
on conflict (api_key_id) do nothing
"""
