"""The processes of Storymill, one folder each, and the preparation of datasets, which the workers use. No process
imports another."""
