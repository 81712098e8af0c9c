"""vLLM server of a base model and its students, started by a person, and the estimate of its memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.errors import UserError
from finetune.checkpoint import read_checkpoint
from finetune.memory_plan import load_base_config
from finetune.model_loader import check_weights
from harness.serving import backends, live_server
from harness.serving.checkpoint_resolver import (
    ServedModels,
    check_names,
    checkpoint_folders,
    select_served_models,
)
from harness.serving.hardware import default_device, plan_serving, serving_request
from serve.lora_adapter import LoraAdapter, read_adapter
from serve.memory_plan import (
    MEMORY_FRACTION,
    RTX_4090_MIB,
    ServePlan,
    ServingRequest,
    lora_module_arguments,
    plan_memory,
    vllm_command,
)
from serve.null_adapter import with_null_adapter
from serve.served_model import Device, Dtype
from serve.vllm_server import LOOPBACK, VllmServer, free_port, running_server

DEFAULT_RANK = 8  # rank in the paper


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Models and resources of a server.

    Attributes:
        base: folder or Hub name of the base model; "" for the one recorded in the checkpoints.
        places: checkpoints, or folders of checkpoints.
        merged: whether to serve one student, merged into its base.
        dtype: of the computation; None for that of the weights.
        memory_mib: GPU memory in MiB; None to detect it.
        memory_fraction: share of the GPU memory to use, in (0, 1]; None for the default.
        max_model_len: context length in tokens; None for 5120, or the model's context.
        max_num_seqs: number of concurrent sequences; None for what the KV cache holds.
        max_loras: number of adapters in one batch; None for all, at most 8.
        spare_loras: number of adapters that can be loaded later.
        rank: maximum rank of the adapters; None for that of the students.
    """

    base: str = ""
    places: tuple[Path, ...] = ()
    merged: bool = False
    dtype: Dtype | None = None
    memory_mib: int | None = None
    memory_fraction: float | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_loras: int | None = None
    spare_loras: int = 0
    rank: int | None = None

    @property
    def sizes(self) -> dict[str, Any]:
        """Sizes as arguments of `ServingRequest`."""
        return {
            "model_length": self.max_model_len,
            "sequences": self.max_num_seqs,
            "loras": self.max_loras,
            "spare_loras": self.spare_loras,
            "min_rank": self.rank or (DEFAULT_RANK if self.spare_loras else 0),
        }


@dataclass(frozen=True)
class ServerPlan:
    """Server that can be started.

    Attributes:
        models: the models.
        dtype: dtype of the computation.
        folder: folder of the weights.
        name: name under which the base (or the merged student) is served.
        adapters: adapters of the students.
        merged: whether one merged student is served.
        memory: memory plan.
    """

    models: ServedModels
    dtype: Dtype
    folder: Path
    name: str
    adapters: tuple[LoraAdapter, ...]
    merged: bool
    memory: ServePlan


def plan_server(options: ServerOptions, show: Callable[[str], None]) -> ServerPlan:
    """Plan a server on this machine; a merged student is merged now.

    Args:
        show: called with lines of progress.

    Raises:
        UserError: a model is missing or invalid, a server with this base runs already, or the models do not
            fit into memory.
    """
    places = options.places
    folders = checkpoint_folders(places) if places else []
    names = [f"student:{read_checkpoint(folder).name}" for folder in folders]
    if options.merged and len(names) != 1:
        raise UserError(
            "--merged serves exactly one student",
            code="server.merged-needs-one-student",
            where="--merged",
            found=f"{len(names)} students",
            remedy="Name one with --students; `empathy respond … --merged` serves several in turn.",
        )
    models = select_served_models(
        [*names, *([] if options.merged else ["base"])], base=options.base, students=places
    )
    live = live_server.find_running_server(models)
    if live is not None:
        raise UserError(
            "a server with this base is running already",
            code="server.already-running",
            found=live[0],
            remedy="Use it (other commands find it and load missing students), or stop it first.",
        )
    dtype, device = options.dtype or models.dtype, default_device()
    folder, name, adapters = models.base.folder, models.base_name, []
    if options.merged:
        (student,) = models.students
        assert student.checkpoint is not None
        folder, name = backends.merged_folder(student.checkpoint, folder, dtype, show), student.author
    else:
        check_weights(folder)
        more = bool(options.spare_loras)
        adapters = backends.read_adapters(models.authors, folder)
        name, adapters = with_null_adapter(
            folder, name, adapters, device, live_server.ADAPTER_CACHE, loads_later=more
        )
    request = serving_request(device, dtype, options.memory_mib, options.memory_fraction, **options.sizes)
    memory = plan_serving(folder, adapters, request)
    return ServerPlan(models, dtype, folder, name, tuple(adapters), options.merged, memory)


@contextmanager
def started_server(
    plan: ServerPlan,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    key: str = "",
    log: Path | None = None,
    show: Callable[[str], None],
) -> Iterator[VllmServer]:
    """Run a server while the block runs; other commands find it.

    Args:
        port: 0 for a free one.
        key: API key; "" for a random one.
        log: file for vLLM's output.
        show: called with lines of progress.
    """
    port = port or free_port(host)
    command = [
        *vllm_command(plan.memory, plan.folder, plan.name, host, port),
        *lora_module_arguments(live_server.cached_adapters(plan.adapters)),
    ]
    environment = plan.memory.environment()
    with (
        running_server(
            command, host, port, key=key, environment=environment, log=log, on_progress=show
        ) as server,
        live_server.advertise_server(server, plan.models, plan.dtype, merged=plan.merged),
    ):
        yield server


@dataclass(frozen=True)
class ServingEstimate:
    """Memory for serving models that need not exist yet.

    Attributes:
        base: the base model.
        plan: the plan as requested.
    """

    base: str
    plan: ServePlan

    @property
    def fitting_plan(self) -> ServePlan:
        """The plan, or the first suggestion if it does not fit."""
        return self.plan if self.plan.fits else self.plan.suggestions[0].plan

    @property
    def command(self) -> list[str]:
        """Command that starts the server."""
        return vllm_command(self.fitting_plan, self.base, "base", LOOPBACK, 8001)


def estimate_serving(
    options: ServerOptions, *, adapters: int = 0, device: Device = "cuda"
) -> ServingEstimate:
    """Estimate the memory of a server; weights are not needed.

    Args:
        adapters: number of adapters that do not exist yet.

    Raises:
        UserError: a checkpoint or the base model is missing or invalid.
    """
    folders = checkpoint_folders(options.places) if options.places else []
    if options.places and not folders:
        raise UserError(
            "no checkpoint found",
            code="checkpoint.not-found",
            where="--students",
            found=", ".join(map(str, options.places)),
        )
    check_names(options.places)
    base = options.base or (read_checkpoint(folders[0]).base_location if folders else "")
    if not base:
        raise UserError(
            "the base model is not given",
            code="base-model.not-given",
            where="--base",
            remedy="Add --base MODEL.",
        )
    # without weights, adapters are checked only against their own configuration
    weights = Path(base) if any(Path(base).glob("*.safetensors")) else None
    known = [] if options.merged else folders
    planned = [read_adapter(f"student:{folder.name}", folder, weights) for folder in known]
    rank = options.rank or DEFAULT_RANK
    planned += [LoraAdapter(f"student:{n}", Path(f"student-{n}"), rank, 0) for n in range(adapters)]
    request = ServingRequest(
        device,
        options.dtype or "bf16",
        options.memory_mib or RTX_4090_MIB,
        options.memory_fraction or MEMORY_FRACTION,
        **options.sizes,
    )
    config = {"max_position_embeddings": 131_072, **load_base_config(base)}
    return ServingEstimate(base, plan_memory(config, planned, request))
