"""Amplitude: what users of a product do, and their scores as user properties and cohorts."""
