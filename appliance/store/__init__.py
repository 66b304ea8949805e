"""Memory: what is durable on this device. Each file has one writer."""
