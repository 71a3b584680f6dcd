"""Pages of the docs that are made from the code: what a scenario may say, and the commands."""
