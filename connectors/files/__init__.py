"""Folders of CSV or Parquet: an export in, a scored file out."""
