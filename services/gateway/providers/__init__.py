"""How the providers stand, over HTTP, and a trial of one: the verdicts themselves are the workers', not ours."""
