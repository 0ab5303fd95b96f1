"""Step `give_up`: no training goes on at a provider that nobody here follows and books."""
