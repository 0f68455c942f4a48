"""What people look at: comparison tables, labels, pages and disclosures."""
