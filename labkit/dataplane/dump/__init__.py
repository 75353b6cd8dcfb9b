"""Rules of a real node in the place of rendered ones: `parse` reads a dump, `apply` installs it."""
