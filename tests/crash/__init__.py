"""kill -9 at every step, in a real lab: see `crash.launcher` for the points and `crash.scene` for what must hold."""
