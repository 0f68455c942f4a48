"""Price providers: they ask markets, suppliers and files, through the clients of the grid."""
