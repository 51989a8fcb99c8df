"""Whole collections and excerpts as files: read as a profile, in one snapshot, in bounded memory."""
