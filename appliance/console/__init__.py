"""The device's web pages: what waits for a person, what is on its way, what is done.

It reads the ledger, writes decisions, and knows nothing of a patient. The command line prints the
same rows in the same words (`lines`).
"""
