"""Proxy settings from the environment.

`http_proxy` and `https_proxy` set the proxy for a scheme and `all_proxy` for all schemes; `no_proxy` lists
hosts to connect to directly. Only HTTP proxies are supported.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from agents.errors import Fault, UserError


def proxy_of(url: str) -> tuple[str, str] | None:
    """Return (environment variable, proxy URL) for a URL; None for a direct connection."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    for name in (parts.scheme, "all"):
        if proxies.get(name):
            return f"{name}_proxy", proxies[name]
    return None


def is_supported(proxy: str) -> bool:
    """Return whether a proxy URL has the scheme http or https."""
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}").scheme in ("http", "https")


def check_proxies(urls: Iterable[str]) -> None:
    """Check the proxies of all URLs before requests are sent.

    Raises:
        UserError: a proxy is not an HTTP proxy; it lists every one.
    """
    proxies = {url: proxy for url in urls if (proxy := proxy_of(url)) is not None}
    faults = {
        variable: Fault(
            "only HTTP proxies are supported",
            variable,
            f"{urlsplit(proxy).scheme}://…",
            f"Set an HTTP proxy, unset {variable}, or add the host to no_proxy: {urlsplit(url).hostname}.",
            code="proxy.unsupported",
        )
        for url, (variable, proxy) in proxies.items()
        if not is_supported(proxy)
    }
    if faults:
        raise UserError("a proxy is not supported", code="proxy.unsupported", faults=list(faults.values()))
