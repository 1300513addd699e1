"""The graph as data, the ur5rl command, the monitor node and reports."""
