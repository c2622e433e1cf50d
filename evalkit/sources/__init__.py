"""One publisher's files -> tidy rows. One module a source, found by its name."""
