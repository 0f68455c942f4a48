"""Accounts of an ended job: from raw samples and the grid's intensity to figures; pure."""
