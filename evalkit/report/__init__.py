"""From an executed notebook to a page that a board can read."""
