"""How the processes of the mill connect to Redis, and the facts of a provider that they share there: not what the facts
mean, which the workers know."""
