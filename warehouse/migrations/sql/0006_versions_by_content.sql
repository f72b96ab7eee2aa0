-- Tables that dbt builds have versions by content too, see warehouse/versions.py.
comment on column app.dataset_versions.version is 'Content hash of the rows: the same version is the same content.';
comment on column app.dataset_versions.content_digest is 'Sum of the row hashes, kept up to date with each write. Unit none.';
