"""Analysis of a randomised controlled trial from raw visit files to result tables."""
