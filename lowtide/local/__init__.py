"""Runs without a cluster: a command or a block of code, measured on the machine it runs on.

An edge of the library: it starts processes and reads meters and files. What a reading adds and to
whom is `lowtide.energy`; a run's figures are made by `lowtide.accounts`, as a job's are.
"""
