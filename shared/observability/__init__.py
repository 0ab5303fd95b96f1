"""Logs, the metrics of requests and the lag of the loop, the same in every process: it sees, and refuses nothing."""
