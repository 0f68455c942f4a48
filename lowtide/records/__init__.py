"""Records of finished runs, read from statuses, files and published tables."""
