#!/bin/sh
# Makes the passwords that docker-compose.yml reads, once, in deploy/secrets; existing ones stay.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
# Only you can enter the folder. The files are open to others because a container reads them under an account of its own.
chmod 700 secrets
umask 022

random_hex() { head -c "$1" /dev/urandom | od -An -tx1 | tr -d ' \n'; }
keep_or_write() { [ -s "secrets/$1" ] || printf '%s\n' "$2" > "secrets/$1"; }

keep_or_write owner_password "$(random_hex 24)"
keep_or_write api_password "$(random_hex 24)"
keep_or_write signing_keys "$(random_hex 32)"
keep_or_write encryption_keys "$(random_hex 32)"
owner=$(cat secrets/owner_password)
keep_or_write database_url "postgresql://factorloom:$owner@postgres:5432/factorloom"
keep_or_write dagster_database_url "postgresql://factorloom:$owner@postgres:5432/dagster"
keep_or_write api_database_url "postgresql://factorloom_reader:$(cat secrets/api_password)@postgres:5432/factorloom"
echo "The secrets are in $(pwd)/secrets."
