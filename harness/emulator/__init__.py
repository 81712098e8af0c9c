"""Providers on loopback: the protocols of OpenAI, Anthropic and Gemini, answered by models of known taste.

Rehearse a study, its time and its cost, before money is spent. It never pretends to be a real model: its
models' names start with `emulated-`, and any other name gets a 404 in the provider's own form.

    options.py     what a server is told: seed, limits, latency, faults; and what decides its answers
    models.py      the emulated models: what each accepts, and its taste as a judge
    taste.py       pure: a judge's preference for one of two responses, and its truth for tests
    texts.py       pure: responses, written and improved, from the dialogue's own words
    answering.py   pure: a question → an answer
    protocols/     pure: a request's JSON → a question; an answer → a response's JSON; a rejection → an error
    limits.py      requests and tokens a minute, 429 and the headers that speak of it (clock injected)
    faults.py      500s, resets, malformed bodies, hangs
    server.py      the HTTP server; gateway.py decides each request, counts.py keeps the books
    lean.py        a bare server for benchmarks
    process.py     a server in a child process that dies with its parent

An answer is a pure function of (seed, canonical request body, `Idempotency-Key`); a fault of (seed, key,
attempt), where attempt counts how often this server has admitted that key. Order, concurrency and kills
change neither.
"""
