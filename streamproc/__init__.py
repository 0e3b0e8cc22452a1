"""The imperative shell: settings, topics, engine, worker, trainer, metrics and command line."""
