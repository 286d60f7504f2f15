"""The command ``report``: records in, a page, tables and figures out."""
