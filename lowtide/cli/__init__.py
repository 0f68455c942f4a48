"""The `lowtide` command line, also installed as `kubectl lowtide`."""
