"""The job kind of datasets: fetch the sources, have them prepared by a child process, record the outcome."""
