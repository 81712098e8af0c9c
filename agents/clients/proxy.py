"""The proxy that the environment names for an address, and whether it is one that can be used.

`http_proxy` and `https_proxy` name it by the address's scheme, `all_proxy` for every scheme; `no_proxy` lists
the hosts that are asked directly. Only HTTP proxies are supported.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from agents.errors import Fault, UserError


def proxy_of(url: str) -> tuple[str, str] | None:
    """(variable, proxy's URL) for an address; None where it is asked directly."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    for name in (parts.scheme, "all"):
        if proxies.get(name):
            return f"{name}_proxy", proxies[name]
    return None


def is_supported(proxy: str) -> bool:
    """Whether a proxy of this URL can be used: an HTTP proxy, reached by http or https."""
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}").scheme in ("http", "https")


def check_proxies(urls: Iterable[str]) -> None:
    """Check the proxies of all addresses, before anything is sent.

    Raises:
        UserError: one is of another kind than HTTP.
    """
    chosen = {url: proxy for url in urls if (proxy := proxy_of(url)) is not None}
    faults = {
        variable: Fault(
            "this kind of proxy is not supported",
            variable,
            f"{urlsplit(proxy).scheme}://…",
            f"Name an HTTP proxy, unset {variable}, or list the host in no_proxy: {urlsplit(url).hostname}.",
        )
        for url, (variable, proxy) in chosen.items()
        if not is_supported(proxy)
    }
    if faults:
        raise UserError("these proxies cannot be used", faults=list(faults.values()))
