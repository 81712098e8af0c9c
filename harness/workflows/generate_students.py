"""Generation with students and base models through an inference backend.

A server is started only if responses are missing: once for the base and all adapters, or once per merged
student. If the server exits during a run, it is restarted and the run continues with the missing responses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, Failure, UserError
from agents.messages import Completion
from agents.models.registry import Registry
from agents.models.spec import Capabilities, Model
from agents.prompt_lookup import get_prompt
from agents.responder import Responder
from agents.student_prompt import PromptFormat, PromptStyle
from agents.truncation import FIRST_TURN_97_WORDS
from agents.types import DEFAULT_PRESET
from finetune.checkpoint import extra_adapter_config_id
from finetune.tokenizer_identity import PromptEncoding, find_prompt_problems, load_prompt_encoding
from harness.engine.limits import Limits
from harness.engine.run import RequestSettings
from harness.serving.backends import InferenceBackend, ServingConfig, open_backend
from harness.serving.checkpoint_resolver import BASE, ServedAuthor, ServedModels
from harness.workflows.generate import GenerationPlan, GenerationResult, generate
from harness.workflows.generation_cost import estimate_generation_cost
from harness.workflows.generation_plan import DialogueSubset, plan_responses
from harness.workflows.records import save_checkpoints
from prompts import Library
from results.analysis.endpoint_report import EndpointReport
from results.db.store import Store
from results.db.tokenizer_identities import unchanged_sets
from serve import sampling_presets
from serve.sampling_presets import Preset, read_json
from serve.served_model import Dtype, ServedModelId

PROVIDER = "vllm"
MAX_SERVER_STARTS = 3
MAX_CONCURRENT = 256


def preset_dtype(served_models: ServedModels, serving: ServingConfig) -> Dtype:
    """Return the dtype of the computation: as configured, of the preset, else of the weights."""
    return (
        serving.dtype
        or sampling_presets.preset_dtype(serving.preset, served_models.config)
        or served_models.dtype
    )


def served_model_id(
    author: ServedAuthor, served_models: ServedModels, serving: ServingConfig
) -> ServedModelId:
    """Return the content identity of a served model."""
    checkpoint = author.checkpoint
    # the tokenizer and template of a foreign server cannot be inspected, like its weights
    is_foreign = author.predates_encoding or bool(serving.url and not serving.trusted)
    encoding = (
        PromptEncoding()
        if is_foreign
        else load_prompt_encoding(served_models.base.folder, _prompt_style(author, served_models))
    )
    return ServedModelId(
        weights=served_models.base.base.weights,
        adapter=str(checkpoint.record["adapter"]) if checkpoint is not None else "",
        how="base" if checkpoint is None else "merged" if serving.merged else "adapter",
        rendering=f"{checkpoint.record['rendering']} {checkpoint.form}" if checkpoint is not None else "",
        dtype=preset_dtype(served_models, serving),
        device=serving.device,
        backend="transformers" if serving.backend == "transformers" else "vllm",
        address=serving.url if serving.url and not serving.trusted else "",
        asking=encoding.id,
        ends=" ".join(map(str, encoding.eos_token_ids)),
        adapter_config=""
        if checkpoint is None or author.predates_encoding
        else extra_adapter_config_id(checkpoint),
    )


def build_responder(
    author: ServedAuthor, served_models: ServedModels, serving: ServingConfig, library: Library
) -> Responder:
    """Return the responder of a served author, with all settings resolved except the address.

    Raises:
        UserError: unknown preset, or the student was trained with another prompt.
    """
    name, set_name = sampling_presets.parse_preset_name(serving.preset)
    if serving.merged and author.checkpoint is not None:
        set_name = f"{set_name or name}-merged"
    config = read_json(served_models.base.folder / "config.json")
    generation = read_json(served_models.base.folder / "generation_config.json")
    role: sampling_presets.Role = "student" if author.checkpoint is not None else "base"
    seed = sampling_presets.SEED if serving.seed is None else serving.seed
    preset = sampling_presets.resolve_preset(name, role, config, generation, seed=seed)
    rendering = PromptFormat(get_prompt(library, preset.prompt), _prompt_style(author, served_models))
    if author.checkpoint is not None and author.checkpoint.record["rendering"] != rendering.id:
        raise UserError(
            "the student was trained with another prompt",
            code="checkpoint.prompt-mismatch",
            where=str(author.checkpoint.path),
            found=f"{author.checkpoint.record['rendering']}, here {rendering.id}",
            remedy="Use the prompt of the training run: --prompts DIR.",
        )
    return Responder(
        _served_model(author, served_models, serving, rendering, preset),
        rendering,
        set_name or DEFAULT_PRESET,
        author=author.author,
        temperature=preset.temperature,
        top_p=preset.top_p,
        max_output_tokens=preset.max_output_tokens,
        seed=preset.seed,
        stop=preset.stop,
        cut=FIRST_TURN_97_WORDS if author.truncated else preset.cut,
        run=served_model_id(author, served_models, serving).to_dict(),
    )


def _prompt_style(author: ServedAuthor, served_models: ServedModels) -> PromptStyle:
    """Return the prompt style: of the student's training; for a base that of its students, else plain."""
    if author.checkpoint is not None:
        return author.checkpoint.form
    styles = {author.checkpoint.form for author in served_models.authors if author.checkpoint is not None}
    return styles.pop() if len(styles) == 1 else PromptStyle.PLAIN


def _served_model(
    author: ServedAuthor,
    served_models: ServedModels,
    serving: ServingConfig,
    rendering: PromptFormat,
    preset: Preset,
) -> Model:
    protocol = rendering.protocol
    extra = preset.extra_parameters(_template_options(author, served_models, rendering.form))
    capabilities = Capabilities(
        seed=True, max_top_logprobs=20, verdict="choice", verdict_tokens=5, extra=extra
    )
    name = author.author if author.checkpoint is not None else served_models.base_name
    identity = served_model_id(author, served_models, serving).id
    return Model(PROVIDER, name, protocol, capabilities, base_url="http://served/v1", identity=identity)


def _template_options(author: ServedAuthor, served_models: ServedModels, form: PromptStyle) -> dict[str, Any]:
    """Return the chat-template options: of the student's training, or the base's current ones."""
    if form is PromptStyle.PLAIN:
        return {}
    if author.checkpoint is not None:
        return dict(author.checkpoint.record.get("template_options") or {})
    if author.predates_encoding:
        return {}
    return load_prompt_encoding(served_models.base.folder, form).template_kwargs()


async def resolve_identities(
    store: Store, served_models: ServedModels, serving: ServingConfig, library: Library
) -> ServedModels:
    """Keep the identity of authors whose stored responses predate prompt-encoding identities.

    Their stored responses are assumed to use the current tokenizer and template. From then on another
    tokenizer or template makes another response set for them, too.

    Raises:
        UserError: as for `build_responder`.
    """
    authors_by_model: dict[str, list[ServedAuthor]] = {}
    for author in (replace(listed, predates_encoding=False) for listed in served_models.authors):
        authors_by_model.setdefault(author.author if author.checkpoint is not None else BASE, []).append(
            author
        )
    authors: dict[str, ServedAuthor] = {}
    for group in authors_by_model.values():
        unchanged = [replace(author, predates_encoding=True) for author in group]
        encodings = {
            build_responder(old, served_models, serving, library).set.id: _current_encoding(
                new, served_models, serving
            )
            for old, new in zip(unchanged, group, strict=True)
        }
        kept_ids = await unchanged_sets(store, encodings)
        authors |= {author.author: author for author in (unchanged if kept_ids else group)}
    return replace(served_models, authors=tuple(authors[author.author] for author in served_models.authors))


def _current_encoding(author: ServedAuthor, served_models: ServedModels, serving: ServingConfig) -> str:
    current = served_model_id(author, served_models, serving)
    return " ".join([current.asking, current.ends, current.adapter_config]).strip()


async def respond(
    store: Store,
    registry: Registry,
    subset: DialogueSubset,
    served_models: ServedModels,
    serving: ServingConfig,
    settings: RequestSettings,
    library: Library,
    *,
    others: Sequence[Responder] = (),
    retry_unusable: bool = False,
) -> GenerationResult:
    """Generate the responses of all served authors, and of other models, to the selected dialogues.

    Args:
        others: responders of other models.
        retry_unusable: as for `generate`.

    Raises:
        UserError: as for `generate`, or the backend cannot be started.
    """
    served_models = await resolve_identities(store, served_models, serving, library)
    responders = [
        build_responder(author, served_models, serving, library) for author in served_models.authors
    ]
    await save_checkpoints(
        store, [author.checkpoint for author in served_models.authors if author.checkpoint is not None]
    )
    full_plan = plan_responses(subset, (*responders, *others))
    endpoints: list[dict[str, EndpointReport]] = []
    settings = _with_server_concurrency(settings, responders)
    for group in _serving_groups(served_models, serving):
        names = {author.author for author in group}
        group_responders = [responder for responder in responders if responder.name in names]
        if not await _has_missing(
            store, plan_responses(subset, group_responders), settings, again=retry_unusable
        ):
            continue
        if not serving.url or serving.trusted:
            check_prompt_tokens(served_models.base.folder, group_responders, subset, serving)
        summary = await _generate_on_backend(
            store, registry, subset, served_models, serving, settings, group_responders, group, retry_unusable
        )
        endpoints.append(dict(summary.endpoints))
        unfinished = any(endpoint.stopped or endpoint.failed for endpoint in summary.endpoints.values())
        if summary.interrupted or unfinished:
            return replace(summary, endpoints=_sum_reports(endpoints))
    # only other models can have missing responses now; this run also summarizes the whole plan
    summary = await generate(
        store, registry, full_plan, settings, retry_unusable=retry_unusable and bool(others)
    )
    return replace(
        summary,
        endpoints=_sum_reports([*endpoints, _without_own_requests(dict(summary.endpoints), endpoints)]),
    )


def check_prompt_tokens(
    folder: Path, responders: Sequence[Responder], subset: DialogueSubset, serving: ServingConfig
) -> None:
    """Check that the base model has an embedding for every prompt token; warn about control tokens.

    Raises:
        UserError: dialogues contain tokens without an embedding.
    """
    formats = {responder.rendering.form: responder.rendering for responder in responders}
    for rendering in formats.values():
        problems = find_prompt_problems(
            folder, rendering, [rendering.turn(dialogue) for dialogue in subset.dialogues()]
        )
        if problems.missing_embeddings:
            token_counts = ", ".join(
                f"{token!r} ({count})" for token, count in list(problems.missing_embeddings.items())[:8]
            )
            raise UserError(
                "dialogues contain tokens without an embedding in the base model",
                code="tokenizer.no-embedding",
                where=str(folder),
                found=token_counts,
                remedy="Resize the base model's embeddings to its tokenizer, or use its original tokenizer.",
            )
        if problems.control_tokens:
            token_counts = ", ".join(
                f"{mark} in {count}" for mark, count in sorted(problems.control_tokens.items())
            )
            serving.on_progress(
                f"dialogues contain control tokens of the base model, which change the prompt: {token_counts}"
            )


async def _generate_on_backend(
    store: Store,
    registry: Registry,
    subset: DialogueSubset,
    served_models: ServedModels,
    serving: ServingConfig,
    settings: RequestSettings,
    responders: Sequence[Responder],
    group: Sequence[ServedAuthor],
    retry_unusable: bool,
) -> GenerationResult:
    """Generate the responses of the authors on one backend, and restart it if it exits."""
    plan = plan_responses(subset, responders)
    reports: list[dict[str, EndpointReport]] = []
    for attempt in range(1, MAX_SERVER_STARTS + 1):
        async with open_backend(
            served_models, group, serving, plan.models, preset_dtype(served_models, serving)
        ) as backend:
            clients = {model: _fail_fast_client(backend, model) for model in plan.models}
            attempt_settings = replace(settings, clients=clients)
            retry = retry_unusable and attempt == 1
            summary = await generate(store, registry, plan, attempt_settings, retry_unusable=retry)
            reports.append(dict(summary.endpoints))
            exit_log = backend.exit_log()
        if not exit_log or summary.interrupted:
            break
        if attempt < MAX_SERVER_STARTS:
            serving.on_progress(
                f"the server exited; completed responses are stored. Restarting it.\n{exit_log}"
            )
    return replace(summary, endpoints=_sum_reports(reports))


def _fail_fast_client(backend: InferenceBackend, model: Model) -> ModelClient:
    return FailFastClient(backend.client(model), backend)


class FailFastClient:
    """Client that fails fast once the server process has exited."""

    def __init__(self, inner: ModelClient, backend: InferenceBackend) -> None:
        self._inner, self._backend = inner, backend

    async def complete(self, call: ModelRequest) -> Completion:
        """Send one request.

        Raises:
            CallError: as for the client; GONE if the server has exited.
        """
        try:
            return await self._inner.complete(call)
        except CallError as error:
            if (
                error.failure in (Failure.CONNECTION, Failure.SERVER, Failure.UNAVAILABLE)
                and self._backend.exit_log()
            ):
                raise CallError(Failure.GONE, "the server process has exited") from error
            raise

    async def close(self) -> None:
        """Do nothing: the backend is closed by its context manager."""


def _serving_groups(served_models: ServedModels, serving: ServingConfig) -> list[list[ServedAuthor]]:
    """Return groups of authors served together: all, or with merging the base and then each student."""
    if not serving.merged:
        return [list(served_models.authors)]
    bases = [author for author in served_models.authors if author.checkpoint is None]
    return [*([bases] if bases else []), *([author] for author in served_models.students)]


def _with_server_concurrency(settings: RequestSettings, responders: Sequence[Responder]) -> RequestSettings:
    """Raise the concurrency to what a server handles, unless it is configured."""
    if settings.limits.max_in_flight is not None:
        return settings
    limits = {responder.model.id: Limits(max_in_flight=MAX_CONCURRENT) for responder in responders}
    return replace(settings, endpoint_limits={**limits, **settings.endpoint_limits})


async def _has_missing(store: Store, plan: GenerationPlan, settings: RequestSettings, *, again: bool) -> bool:
    """Return whether any request remains."""
    return again or any(cost.calls for cost in await estimate_generation_cost(store, plan, settings))


def _without_own_requests(
    final: dict[str, EndpointReport], before: Sequence[dict[str, EndpointReport]]
) -> dict[str, EndpointReport]:
    """Return the final reports without counting this invocation's own requests as reused."""
    made_before = {name: sum(report[name].made for report in before if name in report) for name in final}
    return {
        name: replace(endpoint, reused=max(0, endpoint.reused - made_before[name]))
        for name, endpoint in final.items()
    }


def _sum_reports(endpoints: Sequence[dict[str, EndpointReport]]) -> dict[str, EndpointReport]:
    """Return the sums of consecutive reports by model."""
    total: dict[str, EndpointReport] = {}
    for report in endpoints:
        for name, endpoint in report.items():
            previous = total.get(name)
            if previous is not None:
                count_names = ("made", "retried", "rate_limited", "failed")
                counts = {count: getattr(previous, count) + getattr(endpoint, count) for count in count_names}
                spent = (
                    None if endpoint.spent_usd is None else endpoint.spent_usd + (previous.spent_usd or 0.0)
                )
                endpoint = replace(endpoint, **counts, spent_usd=spent)  # noqa: PLW2901
            total[name] = endpoint
    return total
