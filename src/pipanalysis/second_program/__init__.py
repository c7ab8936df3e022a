"""The plan's models programmed a second time, by other means: nothing here imports anything of the package."""
