"""Identity of a served model by content: weights, adapter and everything that affects its responses.

Two servers with the same identity answer the same request alike, within floating-point accuracy. A quantized
model, another dtype or another engine has another identity. Names, paths and ports do not count.
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
    """Identity of one served model.

    Attributes:
        weights: content id of the base model's weights.
        adapter: SHA-256 of the adapter; "" for the base model.
        how: "base" for the base model, "adapter" for an adapter served beside it, "merged" for both merged.
        rendering: content id of the prompt format it was trained with; "" for the base model.
        dtype: dtype of the computation.
        device: device it runs on.
        backend: "vllm" (server and in-process alike) or "transformers".
        quantisation: name of the quantization; "" for none.
        address: address of a server this program did not start, whose weights are not verified; "" otherwise.
        asking: content id of tokenizer and template; "" if unknown, also in old records. The same holds for
            the next two.
        ends: token ids that end a response.
        adapter_config: content id of adapter settings that the checkpoint's record does not hold.
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
            raise ValueError("adapter must be empty for a base model and set otherwise")

    def to_dict(self) -> dict[str, str]:
        """Return the fields that are not empty, as strings."""
        return {name: str(value) for name, value in asdict(self).items() if value}

    @property
    def id(self) -> str:
        """Content id of all fields; fields added later count only if they are set."""
        added_later = ("asking", "ends", "adapter_config")
        fields = {name: value for name, value in asdict(self).items() if value or name not in added_later}
        return content_id("served-1", fields)
