"""Provider emulator on loopback: the APIs of OpenAI, Anthropic and Gemini, with models of known preference.

It serves rehearsals of a study, of its duration and its cost, before money is spent. Its model names start
with `emulated-`; any other name gets a 404 in the provider's own form.

    config.py              configuration, and the hash of what decides the answers
    models.py              the emulated models: accepted parameters and preferences as a judge
    judge_preferences.py   a judge's preference between two responses, and the true values for tests
    response_texts.py      written and improved responses, built from the dialogue's own words
    responses.py           a parsed request → completions
    protocols/             request JSON → parsed request; completions → response JSON; rejection → error JSON
    rate_limits.py         requests and tokens per minute, 429 responses and rate-limit headers
    fault_injection.py     500s, connection resets, malformed bodies, hangs
    provider_faults.py     named faults of real servers
    server.py              the HTTP server; request_handler.py plans each reply, request_log.py counts them
    minimal_server.py      minimal server for benchmarks
    server_process.py      server in a child process that ends with its parent

A completion is a pure function of (seed, canonical request body, `Idempotency-Key`). A fault is a pure
function of (seed, key, attempt), where attempt counts how often this server has admitted the key. Order,
concurrency and kills change neither.
"""
