"""Pages of trainings: of one run folder, and of several side by side."""
