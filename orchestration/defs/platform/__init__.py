"""What keeps the installation itself in order."""
