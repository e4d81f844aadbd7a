"""Records of several CRMs -> one person."""
