"""Reports for people: comparison tables, labels, pages and disclosures."""
