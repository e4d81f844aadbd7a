"""How others watch it run: metrics, health, heartbeats, traces."""
