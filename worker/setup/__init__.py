"""Setting up: writing a configuration, looking at what is configured, making what a CRM needs, the first load."""
