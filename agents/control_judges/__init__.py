"""Control judges: baselines that need no key, no network and no GPU."""
