"""Base and students as authors: from a cast to responders, from responders to a server that answers them.

A server is started only where something is left to be asked, once for the base and all of its adapters;
where students are merged, one after another. Where it dies in the midst of a run it is started again and the
run goes on with what is missing. Composes `serve`, `finetune` and the engine; how a call is made is not
decided here.
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
from results.db.tokenizer_identities import kept_sets
from serve import sampling_presets
from serve.sampling_presets import Preset, read_json
from serve.served_model import Dtype, ServedModelId

PROVIDER = "vllm"
MAX_SERVER_STARTS = 3
MAX_CONCURRENT = 256


def preset_dtype(cast: ServedModels, how: ServingConfig) -> Dtype:
    """What the models compute in."""
    return how.dtype or sampling_presets.preset_dtype(how.preset, cast.config) or cast.dtype


def served_model_id(one: ServedAuthor, cast: ServedModels, how: ServingConfig) -> ServedModelId:
    """Who answers, by content."""
    made = one.checkpoint
    # what a server of somebody else's does with a question is taken on trust, as its weights are
    on_trust = one.known_before or bool(how.url and not how.trusted)
    asking = PromptEncoding() if on_trust else load_prompt_encoding(cast.base.folder, _form(one, cast))
    return ServedModelId(
        weights=cast.base.base.weights,
        adapter=str(made.record["adapter"]) if made is not None else "",
        how="base" if made is None else "merged" if how.merged else "adapter",
        rendering=f"{made.record['rendering']} {made.form}" if made is not None else "",
        dtype=preset_dtype(cast, how),
        device=how.device,
        backend="transformers" if how.backend == "transformers" else "vllm",
        address=how.url if how.url and not how.trusted else "",
        asking=asking.id,
        ends=" ".join(map(str, asking.eos_token_ids)),
        adapter_config="" if made is None or one.known_before else extra_adapter_config_id(made),
    )


def build_responder(one: ServedAuthor, cast: ServedModels, how: ServingConfig, library: Library) -> Responder:
    """One contestant as an author of direct responses, every value resolved; its address comes later.

    Raises:
        UserError: the preset is none, or the student was trained with other words than ours are now.
    """
    name, set_name = sampling_presets.parse_preset_name(how.preset)
    if how.merged and one.checkpoint is not None:
        set_name = f"{set_name or name}-merged"
    config = read_json(cast.base.folder / "config.json")
    generation = read_json(cast.base.folder / "generation_config.json")
    role: sampling_presets.Role = "student" if one.checkpoint is not None else "base"
    seed = sampling_presets.SEED if how.seed is None else how.seed
    preset = sampling_presets.resolve_preset(name, role, config, generation, seed=seed)
    rendering = PromptFormat(get_prompt(library, preset.prompt), _form(one, cast))
    if one.checkpoint is not None and one.checkpoint.record["rendering"] != rendering.id:
        raise UserError(
            "the student was trained with another prompt",
            code="checkpoint.prompt-mismatch",
            where=str(one.checkpoint.path),
            found=f"{one.checkpoint.record['rendering']}, here {rendering.id}",
            remedy="Use the prompt of the training run: --prompts DIR.",
        )
    return Responder(
        _model(one, cast, how, rendering, preset),
        rendering,
        set_name or DEFAULT_PRESET,
        author=one.author,
        temperature=preset.temperature,
        top_p=preset.top_p,
        max_output_tokens=preset.max_output_tokens,
        seed=preset.seed,
        stop=preset.stop,
        cut=FIRST_TURN_97_WORDS if one.cut else preset.cut,
        run=served_model_id(one, cast, how).to_dict(),
    )


def _form(one: ServedAuthor, cast: ServedModels) -> PromptStyle:
    """As a student was trained; a base as its students are asked, where they are, else in plain form."""
    if one.checkpoint is not None:
        return one.checkpoint.form
    forms = {one.checkpoint.form for one in cast.authors if one.checkpoint is not None}
    return forms.pop() if len(forms) == 1 else PromptStyle.PLAIN


def _model(
    one: ServedAuthor, cast: ServedModels, how: ServingConfig, rendering: PromptFormat, preset: Preset
) -> Model:
    protocol = rendering.protocol
    extra = preset.extra_parameters(_options(one, cast, rendering.form))
    capabilities = Capabilities(
        seed=True, max_top_logprobs=20, verdict="choice", verdict_tokens=5, extra=extra
    )
    name = one.author if one.checkpoint is not None else cast.base_name
    identity = served_model_id(one, cast, how).id
    return Model(PROVIDER, name, protocol, capabilities, base_url="http://served/v1", identity=identity)


def _options(one: ServedAuthor, cast: ServedModels, form: PromptStyle) -> dict[str, Any]:
    """What the chat template is told: as a student was trained; of a base, as it is now."""
    if form is PromptStyle.PLAIN:
        return {}
    if one.checkpoint is not None:
        return dict(one.checkpoint.record.get("template_options") or {})
    if one.known_before:
        return {}
    return load_prompt_encoding(cast.base.folder, form).template_kwargs()


async def resolve_identities(
    store: Store, who: ServedModels, how: ServingConfig, library: Library
) -> ServedModels:
    """The same cast, where those keep their identity who answered before it held how they are asked.

    Their first answers are taken for ones that were asked as they would be now; from then on another
    tokenizer or template is another set for them too.

    Raises:
        UserError: as `build_responder`.
    """
    by_model: dict[str, list[ServedAuthor]] = {}
    for one in (replace(each, known_before=False) for each in who.authors):
        by_model.setdefault(one.author if one.checkpoint is not None else BASE, []).append(one)
    authors: dict[str, ServedAuthor] = {}
    for group in by_model.values():
        before = [replace(one, known_before=True) for one in group]
        askings = {
            build_responder(old, who, how, library).set.id: _asked_now(new, who, how)
            for old, new in zip(before, group, strict=True)
        }
        kept = await kept_sets(store, askings)
        authors |= {one.author: one for one in (before if kept else group)}
    return replace(who, authors=tuple(authors[one.author] for one in who.authors))


def _asked_now(one: ServedAuthor, cast: ServedModels, how: ServingConfig) -> str:
    now = served_model_id(one, cast, how)
    return " ".join([now.asking, now.ends, now.adapter_config]).strip()


async def respond(
    store: Store,
    registry: Registry,
    chosen: DialogueSubset,
    who: ServedModels,
    how: ServingConfig,
    settings: RequestSettings,
    library: Library,
    *,
    others: Sequence[Responder] = (),
    retry_unusable: bool = False,
) -> GenerationResult:
    """Responses of every contestant (and of other models beside them) to the chosen dialogues.

    Raises:
        UserError: as `generate`, and whatever keeps a server from coming up.
    """
    who = await resolve_identities(store, who, how, library)
    responders = [build_responder(one, who, how, library) for one in who.authors]
    await save_checkpoints(store, [one.checkpoint for one in who.authors if one.checkpoint is not None])
    whole = plan_responses(chosen, (*responders, *others))
    endpoints: list[dict[str, EndpointReport]] = []
    settings = _wide(settings, responders)
    for part in _parts(who, how):
        ours = [one for one in responders if one.name in {each.author for each in part}]
        if not await _missing(store, plan_responses(chosen, ours), settings, again=retry_unusable):
            continue
        if not how.url or how.trusted:
            check_questions(who.base.folder, ours, chosen, how)
        summary = await _served_run(store, registry, chosen, who, how, settings, ours, part, retry_unusable)
        endpoints.append(dict(summary.endpoints))
        unfinished = any(endpoint.stopped or endpoint.failed for endpoint in summary.endpoints.values())
        if summary.interrupted or unfinished:
            return replace(summary, endpoints=_added(endpoints))
    # what is left is the other models' business; everything else is known by now, and is summed up here
    summary = await generate(store, registry, whole, settings, retry_unusable=retry_unusable and bool(others))
    return replace(summary, endpoints=_added([*endpoints, _without(dict(summary.endpoints), endpoints)]))


def check_questions(
    folder: Path, responders: Sequence[Responder], chosen: DialogueSubset, how: ServingConfig
) -> None:
    """Make sure that a base has an embedding for whatever it is asked; tell what it takes for its own marks.

    Raises:
        UserError: dialogues hold tokens that it has none for.
    """
    renderings = {one.rendering.form: one.rendering for one in responders}
    for rendering in renderings.values():
        found = find_prompt_problems(folder, rendering, [rendering.turn(one) for one in chosen.dialogues()])
        if found.missing_embeddings:
            told = ", ".join(
                f"{token!r} ({count})" for token, count in list(found.missing_embeddings.items())[:8]
            )
            raise UserError(
                "dialogues contain tokens without an embedding in the base model",
                code="tokenizer.no-embedding",
                where=str(folder),
                found=told,
                remedy="Resize the base model's embeddings to its tokenizer, or use its original tokenizer.",
            )
        if found.control_tokens:
            told = ", ".join(f"{mark} in {count}" for mark, count in sorted(found.control_tokens.items()))
            how.on_progress(
                f"dialogues hold marks of this base's own, and are not asked as they are meant: {told}"
            )


async def _served_run(
    store: Store,
    registry: Registry,
    chosen: DialogueSubset,
    who: ServedModels,
    how: ServingConfig,
    settings: RequestSettings,
    responders: Sequence[Responder],
    part: Sequence[ServedAuthor],
    retry_unusable: bool,
) -> GenerationResult:
    """One server's share, the server started again where it died on the way."""
    plan = plan_responses(chosen, responders)
    done: list[dict[str, EndpointReport]] = []
    for tries in range(1, MAX_SERVER_STARTS + 1):
        async with open_backend(who, part, how, plan.models, preset_dtype(who, how)) as backend:
            clients = {model: _client(backend, model) for model in plan.models}
            own = replace(settings, own=clients)
            again = retry_unusable and tries == 1
            summary = await generate(store, registry, plan, own, retry_unusable=again)
            done.append(dict(summary.endpoints))
            dead = backend.exit_log()
        if not dead or summary.interrupted:
            break
        if tries < MAX_SERVER_STARTS:
            how.on_progress(f"the server died; what was answered is stored. Starting it again.\n{dead}")
    return replace(summary, endpoints=_added(done))


def _client(backend: InferenceBackend, model: Model) -> ModelClient:
    return _Guarded(backend.client(model), backend)


class _Guarded:
    """A client whose server, once dead, is not knocked at again and again."""

    def __init__(self, inner: ModelClient, backend: InferenceBackend) -> None:
        self._inner, self._room = inner, backend

    async def complete(self, call: ModelRequest) -> Completion:
        """Ask once.

        Raises:
            CallError: as the client; GONE where the server has died.
        """
        try:
            return await self._inner.complete(call)
        except CallError as error:
            if (
                error.failure in (Failure.CONNECTION, Failure.SERVER, Failure.UNAVAILABLE)
                and self._room.exit_log()
            ):
                raise CallError(Failure.GONE, "the server that was started has died") from error
            raise

    async def close(self) -> None:
        """Whoever opened the room closes it."""


def _parts(who: ServedModels, how: ServingConfig) -> list[list[ServedAuthor]]:
    """Who is served together: all, or where students are merged, the base and then each of them."""
    if not how.merged:
        return [list(who.authors)]
    bases = [one for one in who.authors if one.checkpoint is None]
    return [*([bases] if bases else []), *([one] for one in who.students)]


def _wide(settings: RequestSettings, responders: Sequence[Responder]) -> RequestSettings:
    """As many calls in flight as a server takes at once, where nothing else is said."""
    if settings.limits.max_in_flight is not None:
        return settings
    limits = {one.model.id: Limits(max_in_flight=MAX_CONCURRENT) for one in responders}
    return replace(settings, endpoint_limits={**limits, **settings.endpoint_limits})


async def _missing(store: Store, plan: GenerationPlan, settings: RequestSettings, *, again: bool) -> bool:
    """Whether there is anything left to ask."""
    return again or any(one.calls for one in await estimate_generation_cost(store, plan, settings))


def _without(
    last: dict[str, EndpointReport], before: Sequence[dict[str, EndpointReport]]
) -> dict[str, EndpointReport]:
    """The last look's lanes, what this invocation has made itself not counted as known beforehand."""
    made = {name: sum(each[name].made for each in before if name in each) for name in last}
    return {
        name: replace(endpoint, reused=max(0, endpoint.reused - made[name]))
        for name, endpoint in last.items()
    }


def _added(endpoints: Sequence[dict[str, EndpointReport]]) -> dict[str, EndpointReport]:
    """What lanes of the same model did, one after another."""
    total: dict[str, EndpointReport] = {}
    for report in endpoints:
        for name, endpoint in report.items():
            had = total.get(name)
            if had is not None:
                names = ("made", "retried", "rate_limited", "failed")
                counts = {each: getattr(had, each) + getattr(endpoint, each) for each in names}
                spent = None if endpoint.spent_usd is None else endpoint.spent_usd + (had.spent_usd or 0.0)
                endpoint = replace(endpoint, **counts, spent_usd=spent)  # noqa: PLW2901  (the sum takes its place)
            total[name] = endpoint
    return total
