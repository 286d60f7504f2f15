"""The command ``compare``: many networks under the same rules, a record a trial."""
