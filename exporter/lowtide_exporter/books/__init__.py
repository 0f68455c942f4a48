"""Books of the node: what every meter drew, and which pod or reason it was booked to."""
