"""Result tables: every number is read from the collected analysis results, none is computed here."""
