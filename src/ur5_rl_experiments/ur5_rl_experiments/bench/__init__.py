"""What things cost, one module a command: `./ur5rl bench NAME --report FILE.json`."""
