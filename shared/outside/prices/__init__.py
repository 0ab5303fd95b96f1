"""What calls and trainings cost: the price book, estimates, actuals. Knows no database."""
