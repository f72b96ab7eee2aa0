"""All SQL that Python sends, one module per subject; values always travel as parameters."""
