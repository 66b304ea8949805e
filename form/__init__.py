"""A person's answers, and the profile they make. The pages come with the card."""
