"""Objects of the cluster as small frozen values: parsed, packed, fingerprinted and built."""
