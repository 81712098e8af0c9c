"""Request engine: endpoints with rate limits, retries, budgets and recording, fed by one dispatcher."""
