"""How the providers stand: the workers' verdicts over HTTP."""
