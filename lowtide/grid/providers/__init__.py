"""Grid providers: the only part of the library that talks HTTP."""
