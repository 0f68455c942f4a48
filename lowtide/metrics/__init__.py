"""SCI, SAM, APC and their relatives, ratings, scaling and comparison. Pure."""
