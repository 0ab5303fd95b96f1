"""What calls and trainings cost: the price book, estimates, actuals, break-even. Knows no database."""
