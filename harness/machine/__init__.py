"""What this machine is: processors, memory, control group, GPU."""
