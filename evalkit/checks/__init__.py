"""Questions put to an estimate, one module each."""
