"""The doors to the research partners, one file per transport."""
