"""What ``results_pages.py`` writes: one module a page, each a list of sections."""
