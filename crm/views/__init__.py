"""Pages of the records outside the back office."""
