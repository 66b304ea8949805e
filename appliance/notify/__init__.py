"""The doors to people and programs: mail and webhooks, without patient data."""
