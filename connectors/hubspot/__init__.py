"""HubSpot: contacts, companies, deals, engagements, form submissions and marketing e-mail events."""
