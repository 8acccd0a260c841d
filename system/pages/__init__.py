"""Pages of HTML that need no other files: escaped text, tables, and the look that all pages share."""
