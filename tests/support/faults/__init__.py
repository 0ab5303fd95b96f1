"""Every job kind under every fault: what the kinds are, and the mill that they are struck in."""
