"""Options of serving a base model and its students."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agents.errors import UserError
from harness.serving.backends import ServingConfig
from harness.serving.checkpoint_resolver import ServedModels, select_served_models
from harness.serving.hardware import default_device
from harness.serving.live_server import find_running_server
from serve.sampling_presets import preset_dtype
from serve.served_model import Dtype

KEY = "EMPATHY_SERVE_KEY"


@dataclass(frozen=True)
class ServingOptions:
    """Options of serving a base and its students.

    Attributes:
        base: folder or Hub name of the base model; "" for the one recorded in the checkpoints.
        places: checkpoints, or folders of checkpoints; empty for `checkpoints/*`.
        backend: "server", "offline" or "transformers".
        offline: the same as `backend="offline"`.
        merged: whether to merge each student into its base, one after another.
        url: URL of a running vLLM server; "" to find or start one.
        sampling_seed: None for 42.
        dtype: of the computation; None for that of the weights.
        memory_mib: GPU memory in MiB; None to detect it.
        memory_fraction: share of the GPU memory to use, in (0, 1]; None for 0.92.
        show: called with lines of progress.

    Raises:
        UserError: two options exclude each other.
    """

    base: str = ""
    places: tuple[Path, ...] = ()
    backend: str = "server"
    offline: bool = False
    merged: bool = False
    url: str = ""
    sampling_seed: int | None = None
    dtype: Dtype | None = None
    memory_mib: int | None = None
    memory_fraction: float | None = None
    show: Callable[[str], None] = field(default=lambda _: None, compare=False)

    def __post_init__(self) -> None:
        backends = [
            ("--offline", self.offline),
            ("--backend transformers", self.backend == "transformers"),
            ("--url", bool(self.url)),
        ]
        chosen = [name for name, is_chosen in backends if is_chosen]
        if len(chosen) > 1 or (self.merged and self.url):
            raise UserError(
                "these options exclude each other",
                code="option.conflict",
                found=" and ".join([*chosen, *(["--merged"] if self.merged else [])]),
                remedy="Remove one of them.",
            )

    def select_served_models(
        self, names: tuple[str, ...] | list[str], registered: Sequence[Path] = ()
    ) -> ServedModels:
        """Return the models of these names; `registered` are checkpoint folders known to the database."""

        return select_served_models(names, base=self.base, students=self.places, registered=registered)

    def serving(self, models: ServedModels, preset: str, *, quiet: bool) -> ServingConfig:
        """Return the serving configuration; a running server with this base is used."""

        backend = "offline" if self.offline else self.backend
        url, key, trusted = self.url, os.environ.get(KEY, ""), False
        dtype: Dtype | Literal[""] = self.dtype or ""
        server = find_running_server(models) if backend == "server" and not self.merged else None
        if server is not None and (not url or url.rstrip("/").removesuffix("/v1") == server[0]):
            url, key, trusted = server[0], server[1], True
            dtype = _check_dtype(dtype, preset, server[2], models)
            if not quiet:
                self.show(f"Using the server that runs at {url} ({dtype}).")
        return ServingConfig(
            backend=backend,
            preset=preset,
            seed=self.sampling_seed,
            merged=self.merged,
            dtype=dtype,
            device=default_device(),
            url=url.rstrip("/").removesuffix("/v1"),
            key=key,
            trusted=trusted,
            memory_mib=self.memory_mib,
            fraction=self.memory_fraction,
            on_progress=(lambda line: None) if quiet else self.show,
        )


def _check_dtype(option: Dtype | Literal[""], preset: str, running: Dtype, models: ServedModels) -> Dtype:
    """Return the dtype of the running server.

    Raises:
        UserError: if `--dtype` or the preset requires another one.
    """
    required = option or preset_dtype(preset, models.config)
    if required and required != running:
        where = "--dtype" if option else f"--preset {preset}"
        raise UserError(
            "the running server computes in another dtype",
            code="server.other-dtype",
            where=where,
            found=f"{required}; the server computes in {running}",
            remedy=f"Stop the server, or use its dtype with --dtype {running}.",
        )
    return running
