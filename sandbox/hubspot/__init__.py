"""The practice HubSpot portal: an in-memory store and the vendor's wire format over it."""
