"""Draws the target: a red dot on a monitor or off screen."""
