"""A plugin that cannot be imported."""

msg = "this plugin needs a package that nobody has"
raise ImportError(msg)
