"""Marketo Engage: leads, what they did, scores, and requests of campaigns."""
