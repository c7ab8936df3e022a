"""The study as configuration: pydantic models of everything under ``config/``."""
