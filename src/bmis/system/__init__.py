"""What bmis asks of the machine: files, memory, processor, time, progress."""
