"""Studies: configuration, stages, scheduler and cache."""
