"""Protocol storymill.v1 as data: frames, cursors, Redis names, the fold."""
