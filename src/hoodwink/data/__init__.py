"""Data sets: what is known of them, where their files come from, and how they become pictures and labels."""
