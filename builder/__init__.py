"""Profile in, image and documents out."""
