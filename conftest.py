"""What holds for the tests of every package, in whatever order they are collected."""

from hypothesis import settings

# No deadline: a shared machine pauses. A law that needs more examples asks for them.
settings.register_profile("shared machine", deadline=None, max_examples=50)
settings.load_profile("shared machine")
