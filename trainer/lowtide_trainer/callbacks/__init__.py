"""Callbacks for training frameworks: the reporter without a loop of one's own."""
