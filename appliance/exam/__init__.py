"""The loop-back qualification: a synthetic clinic and a synthetic partner around the real appliance."""
