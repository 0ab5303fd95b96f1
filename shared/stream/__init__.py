"""How tokens travel from a worker to any number of viewers: protocol storymill.v1."""
