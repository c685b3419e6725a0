"""Floor 5: a thread as its parties keep it: execute a batch, compare, sign, agree. Does no I/O and reads no clock."""
