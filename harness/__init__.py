"""The harness: data, engine, runs and the command line. Imports every other room; none imports it."""
