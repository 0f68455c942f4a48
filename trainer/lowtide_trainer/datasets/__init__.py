"""Data sets in the form in which they are downloaded, one module per form; nothing is fetched."""
