"""Side-by-side measurements: ours beside a peer, on the same machine, in the same run."""
