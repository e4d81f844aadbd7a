"""A practice Mixpanel project: profiles, events, raw export and their limits, on the vendor's paths."""
