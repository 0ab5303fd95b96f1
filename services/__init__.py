"""The processes of Storymill, one folder each. No service imports another."""
