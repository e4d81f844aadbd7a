"""Mixpanel: profiles, product events, and scores as profile properties."""
