"""Work that somebody has asked for: rows of app.jobs become runs, and runs end as rows."""
