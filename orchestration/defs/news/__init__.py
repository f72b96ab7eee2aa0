"""What is written about companies, and how it sounds."""
