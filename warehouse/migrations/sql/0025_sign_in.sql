-- Signing in: what other issuers vouch for, codes and refresh tokens as hashes, failed attempts, logins under way.
create table app.user_identities (
    issuer text not null,
    subject text not null,
    user_id uuid not null references app.users,
    email text,
    linked_at timestamptz not null,
    primary key (issuer, subject)
);
create index user_identities_by_user on app.user_identities (user_id);
comment on table app.user_identities is 'One row per person at another issuer and the account here that it stands for.';
comment on column app.user_identities.issuer is 'Issuer that vouches for the person.';
comment on column app.user_identities.subject is 'Id of the person at the issuer.';
comment on column app.user_identities.user_id is 'The account here.';
comment on column app.user_identities.email is 'Address that the issuer named when it was linked, null where it named none.';
comment on column app.user_identities.linked_at is 'When it was linked.';

create table app.authorization_codes (
    code_hash text primary key,
    user_id uuid not null references app.users,
    client_id text not null,
    redirect_uri text not null,
    code_challenge text not null,
    scopes text[] not null,
    family_id uuid not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
comment on table app.authorization_codes is 'One row per authorization code; good once, for a minute.';
comment on column app.authorization_codes.code_hash is 'SHA-256 of the code, hexadecimal.';
comment on column app.authorization_codes.user_id is 'Who signed in.';
comment on column app.authorization_codes.client_id is 'Client that it was handed to.';
comment on column app.authorization_codes.redirect_uri is 'Address that it was handed out at.';
comment on column app.authorization_codes.code_challenge is 'SHA-256 of the verifier that the client must show, base64url.';
comment on column app.authorization_codes.scopes is 'What the tokens may do.';
comment on column app.authorization_codes.family_id is 'Family of the refresh tokens that it leads to.';
comment on column app.authorization_codes.expires_at is 'When it ends.';
comment on column app.authorization_codes.used_at is 'When it was used, null while it is good.';

create table app.refresh_tokens (
    token_hash text primary key,
    family_id uuid not null,
    user_id uuid not null references app.users,
    client_id text not null,
    scopes text[] not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    revoked_at timestamptz
);
create index refresh_tokens_by_family on app.refresh_tokens (family_id);
create index refresh_tokens_by_user on app.refresh_tokens (user_id);
comment on table app.refresh_tokens is 'One row per refresh token; each is good once, and the use of a used one ends its family.';
comment on column app.refresh_tokens.token_hash is 'SHA-256 of the token, hexadecimal.';
comment on column app.refresh_tokens.family_id is 'The sign-in that all of them descend from.';
comment on column app.refresh_tokens.user_id is 'Who signed in.';
comment on column app.refresh_tokens.client_id is 'Client that it was handed to.';
comment on column app.refresh_tokens.scopes is 'What the tokens may do.';
comment on column app.refresh_tokens.created_at is 'When it was handed out.';
comment on column app.refresh_tokens.expires_at is 'When the family ends.';
comment on column app.refresh_tokens.used_at is 'When it was exchanged for the next one, null while it is good.';
comment on column app.refresh_tokens.revoked_at is 'When the family was revoked, null while it is good.';

create table app.login_failures (
    email_hash text primary key,
    n_failures integer not null,
    last_attempt_at timestamptz not null,
    locked_until timestamptz not null
);
comment on table app.login_failures is 'One row per address that attempts failed for, whether there is an account or not.';
comment on column app.login_failures.email_hash is 'SHA-256 of the address, hexadecimal.';
comment on column app.login_failures.n_failures is 'Attempts since the last success. Unit count.';
comment on column app.login_failures.last_attempt_at is 'When the last one began.';
comment on column app.login_failures.locked_until is 'No attempt before this instant.';

create table app.provider_logins (
    state_hash text primary key,
    browser_hash text not null,
    nonce text not null,
    code_verifier text not null,
    request jsonb not null,
    expires_at timestamptz not null,
    issuer text,
    subject text,
    email text
);
comment on table app.provider_logins is 'One row per login under way at another issuer.';
comment on column app.provider_logins.state_hash is 'SHA-256 of the state that comes back, hexadecimal.';
comment on column app.provider_logins.browser_hash is 'SHA-256 of the cookie of the browser that began it, hexadecimal.';
comment on column app.provider_logins.nonce is 'What the ID token must repeat.';
comment on column app.provider_logins.code_verifier is 'What proves to the issuer that the code is ours (RFC 7636).';
comment on column app.provider_logins.request is 'Authorization request of our own client, answered at the end.';
comment on column app.provider_logins.expires_at is 'When it ends.';
comment on column app.provider_logins.issuer is 'Issuer that has vouched, while the password for linking is awaited.';
comment on column app.provider_logins.subject is 'Id of the person at the issuer, likewise.';
comment on column app.provider_logins.email is 'Address that the issuer named, likewise.';

do $$
declare
    sign_in_table text;
begin
    foreach sign_in_table in array array[
        'user_identities', 'authorization_codes', 'refresh_tokens', 'login_failures', 'provider_logins'
    ] loop
        execute format('alter table app.%I enable row level security', sign_in_table);
        execute format('alter table app.%I force row level security', sign_in_table);
        execute format(
            'create policy identity on app.%I for all to factorloom_api'
            ' using (current_setting(''app.identity'', true) = ''on'')'
            ' with check (current_setting(''app.identity'', true) = ''on'')', sign_in_table);
        execute format('grant select, insert, update, delete on app.%I to factorloom_api', sign_in_table);
        -- Nothing here is for pipelines.
        execute format('revoke all on app.%I from factorloom_writer', sign_in_table);
    end loop;
end
$$;
