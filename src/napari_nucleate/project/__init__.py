"""A project: its state, its folder, what can be done with it, and long work on it."""
