"""``bmis serve``: networks as an HTTP service, and a page to use them from a browser."""
