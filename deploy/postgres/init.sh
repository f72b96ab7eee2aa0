#!/bin/sh
# Runs once, when the server is new: Dagster's own database, and the account of the API, which owns nothing.
set -eu
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
    --set=password="$(cat "${API_PASSWORD_FILE:-/run/secrets/api_password}")" <<'SQL'
create database dagster;
create role factorloom_api nologin;
create role factorloom_reader login password :'password' in role factorloom_api;
SQL
