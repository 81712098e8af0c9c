"""Who answers, by content: weights, adapter and how they are run, whatever it is called or where it is.

Two servers with the same identity answer the same question alike (as far as an engine of floating-point
numbers does); what decides an answer and is no part of the question is in here. A quantised model, another
dtype or another engine is another author's answer.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from agents.hashing import content_id

ServingMode = Literal["base", "adapter", "merged"]
Dtype = Literal["bf16", "fp16", "fp32"]
Device = Literal["cpu", "cuda"]
VLLM_DTYPES: dict[str, str] = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


@dataclass(frozen=True, slots=True)
class ServedModelId:
    """One model as it is run.

    Attributes:
        weights: content id of the base's weights.
        adapter: SHA-256 of the adapter; "" for the base.
        how: the base itself, the adapter beside it, or both merged into one.
        rendering: content id of how it is asked, as it was trained; "" for the base.
        dtype: of the computation.
        device: what it runs on.
        backend: "vllm" (server and in-process alike) or "transformers".
        quantisation: its name; "" for none.
        address: of a server that we did not start, whose weights we take on trust; "" else.
        asking: content id of tokenizer and template; "" where it is not known, or was not when the first
            answers were made. So are the next two.
        ends: the ids that end an answer.
        adapter_config: content id of what the adapter's config says beyond its record's settings.
    """

    weights: str
    adapter: str = ""
    how: ServingMode = "base"
    rendering: str = ""
    dtype: Dtype = "bf16"
    device: Device = "cuda"
    backend: str = "vllm"
    quantisation: str = ""
    address: str = ""
    asking: str = ""
    ends: str = ""
    adapter_config: str = ""

    def __post_init__(self) -> None:
        if (self.how == "base") != (self.adapter == ""):
            raise ValueError("a base has no adapter, and everything else has one")

    def to_dict(self) -> dict[str, str]:
        """What of it there is to say, for people."""
        return {name: str(value) for name, value in asdict(self).items() if value}

    @property
    def id(self) -> str:
        """Content id of all of it; what was added later counts where it says something."""
        later = ("asking", "ends", "adapter_config")
        told = {name: value for name, value in asdict(self).items() if value or name not in later}
        return content_id("served-1", told)
