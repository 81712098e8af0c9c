"""The model registry: which models exist, what each accepts, when each retires."""
