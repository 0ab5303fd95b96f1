"""How the processes of the mill connect to Redis."""
