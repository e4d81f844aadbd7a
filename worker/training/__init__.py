"""From history to a model that is honest about the future: labels, snapshots, fit, validation, registry, drift."""
