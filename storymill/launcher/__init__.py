"""Start, watch and stop every process of the mill on one machine."""
