"""Texts held to a client's JSON schema, in a process beside this one."""
