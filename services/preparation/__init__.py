"""Dataset preparation: rows in, training files and findings out. Pure: knows no database, queue or HTTP."""
