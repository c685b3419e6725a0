"""Floor 2: what instructions mean. Knows no engine and no storage: the world is asked through `Host`."""
