"""What each command does, from start to end. The command line is parsed, and figures are drawn, elsewhere."""
