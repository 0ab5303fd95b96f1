"""The grammar of English bedtime stories, for the cells of the lighthouse recipe: same design, facts of its own."""
