"""``bmis import``: what annotation tools and publishers give becomes a dataset folder."""
