"""Page that a scrape reads: its catalogue, the picture of one tick, and the server."""
