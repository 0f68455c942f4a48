"""The Lowtide operator."""
