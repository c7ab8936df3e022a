"""What makes a result reproducible: what was made from what."""
