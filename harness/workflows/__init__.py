"""What each command does from start to end; nothing here parses words or draws."""
