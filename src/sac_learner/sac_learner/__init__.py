"""Asynchronous soft actor-critic from pixels: actor and learner nodes."""
