"""What is kept: one JSON document per run or contest, sealed, and read in every version."""
