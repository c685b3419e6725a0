"""Tracers: hooks that make of what they are told the JSON that other tools read. Built with the public hooks alone."""
