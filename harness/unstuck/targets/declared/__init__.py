"""A target that a file declares: the user's own service, unmodified, in any language."""
