"""Callbacks for training frameworks that have their own loop."""
