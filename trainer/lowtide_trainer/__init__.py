"""The Lowtide trainer."""
