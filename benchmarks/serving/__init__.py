"""The fused server beside its peers: one run, one machine, one model."""
