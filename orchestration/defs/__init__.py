"""One folder per subject, loaded by `orchestration.definitions`; a file exists only when it has something in it."""
