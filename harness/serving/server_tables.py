"""A running server and the memory plan of one, in every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from typing_extensions import TypedDict

from harness.serving.hardware import describe_fitting_plans
from harness.serving.server import ServingEstimate
from results.render.rendering import Rendering
from results.render.table import metric_table
from serve.memory_plan import ServePlanDocument


class ServerDocument(TypedDict):
    """Running server.

    Attributes:
        url: address.
        key: key that it accepts.
        models: models that it serves.
    """

    document: Literal["server"]
    url: str
    key: str
    models: list[str]


def render_server(url: str, key: str, models: Sequence[str]) -> Rendering:
    """Render the address, key and models of a running server."""
    document: ServerDocument = {"document": "server", "url": url, "key": key, "models": list(models)}
    address = f"export VLLM_BASE_URL={url}/v1 VLLM_API_KEY={key}"
    return Rendering(document, conclusions=(f"Serving {', '.join(models)}", address))


def render_serving_estimate(estimate: ServingEstimate) -> Rendering:
    """Render the memory plan, beside the first suggestion if it does not fit, and the command."""
    made, shown = estimate.plan, estimate.fitting_plan
    document: ServePlanDocument = {
        "document": "serve_plan",
        **made.to_dict(),
        "command": estimate.command,
        "environment": shown.environment(),
    }
    plans = {"plan": made} if made.fits else {"plan": made, made.suggestions[0].label: shown}
    data: list[Mapping[str, Any]] = [plan.to_dict() for plan in plans.values()]
    memory = f"{data[0]['memory_gib']} GiB × {data[0]['memory_fraction']:g}"
    table = metric_table(plans, f"GPU memory: {memory} = {made.budget / 2**30:.2f} GiB")
    for part in ("weights", "adapters", "activations", "logits", "reserve", "cache"):
        table.add_metric(f"{part}, GiB", "decimal", (each[f"{part}_gib"] for each in data))
    table.add_metric("weights as", "text", (each["dtype"] for each in data))
    adapters = (f"{each['max_loras']} of rank {each['max_lora_rank']}" for each in data)
    table.add_metric("adapters at a time", "text", adapters)
    table.add_metric("KV cache, tokens", "count", (each["cache_tokens"] for each in data))
    table.add_metric("KiB per token", "tenths", (each["cache_kib_per_token"] for each in data))
    table.add_metric("concurrent sequences", "count", (each["max_num_seqs"] for each in data))
    table.add_metric("tokens of a sequence", "count", (each["max_model_len"] for each in data))
    table.add_metric("fits", "text", ("yes" if each["fits"] else "no" for each in data), style="bold")
    suggestions = () if made.fits else (f"Suggestions: {describe_fitting_plans(made)}.",)
    return Rendering(document, (table,), suggestions)
