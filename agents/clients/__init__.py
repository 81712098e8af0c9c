"""The clients that ask a model: by plain HTTP, by the providers' SDKs, by a function, or in this process."""
