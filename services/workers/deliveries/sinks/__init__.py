"""Experiment trackers, each behind the same five calls, run in a child process of their own: the trackers' packages
start threads, print, exit and hang. Imports nothing of ours and no package but the tracker's: the child may run on
another interpreter than the worker."""
