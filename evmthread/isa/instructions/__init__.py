"""The instructions, grouped as the Yellow Paper groups them. Each is one function; which fork has it, forks.py says."""
