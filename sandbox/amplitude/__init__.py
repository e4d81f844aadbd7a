"""A practice Amplitude: one project that speaks the vendor's wire protocol."""
