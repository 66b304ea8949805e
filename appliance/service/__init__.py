"""The composition root: a profile becomes the four processes and what they own."""
