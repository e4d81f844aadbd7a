"""A practice Marketo instance that speaks the vendor's REST wire protocol."""
