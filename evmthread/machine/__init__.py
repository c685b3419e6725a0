"""Floor 3: runs instructions, one frame at a time, and sees the world only as `Host`. Never imports state."""
