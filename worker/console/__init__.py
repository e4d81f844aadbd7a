"""The ops console: what runs, how it does, and what to do about it, in a browser and as a JSON API."""
