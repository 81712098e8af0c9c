"""Plain trl baseline: SFT or DPO with LoRA on a dataset's files, as a trl user would write it.

`benchmarks/training.py` compares the project's training with it: the same rows, adapter and numbers, trl's
own tokenization, no records, no checks, no resume.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from finetune.config import TrainingConfig

Log = Callable[[int, dict[str, Any]], None]


def train(
    stage: str, base: str, data: Path, out: Path, parent: str, settings: TrainingConfig, log: Log
) -> None:
    """Train for `settings.max_steps` steps.

    Args:
        parent: folder of the SFT adapter, for DPO.
        log: called with (step, trl's metrics) after every optimizer step.
    """
    import torch
    from datasets import load_dataset
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, set_seed
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                log(state.global_step, logs)

    set_seed(settings.seed)
    cuda = torch.cuda.is_available()
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[settings.dtype]
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype).to("cuda" if cuda else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    columns = ["prompt", "completion"] if stage == "sft" else ["prompt", "chosen", "rejected"]
    rows = load_dataset("json", data_files=str(data / f"{stage}.jsonl"), split="train").select_columns(
        columns
    )
    common: dict[str, Any] = {
        "output_dir": str(out),
        "per_device_train_batch_size": settings.rows_per_pass,
        "gradient_accumulation_steps": settings.passes_per_step,
        "learning_rate": settings.learning_rate,
        "max_steps": settings.max_steps,
        "lr_scheduler_type": settings.scheduler,
        "bf16": settings.dtype == "bf16",
        "fp16": settings.dtype == "fp16",
        "use_cpu": not cuda,
        "gradient_checkpointing": settings.activation_checkpointing,
        "max_length": settings.max_length,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": settings.seed,
    }
    trainer_options = {"train_dataset": rows, "processing_class": tokenizer, "callbacks": [Watch()]}
    if stage == "sft":
        lora = LoraConfig(
            r=settings.rank, lora_alpha=settings.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        SFTTrainer(model=get_peft_model(model, lora), args=SFTConfig(**common), **trainer_options).train()
        return
    student = PeftModel.from_pretrained(model, parent, is_trainable=True)
    DPOTrainer(model=student, args=DPOConfig(**common, beta=settings.beta), **trainer_options).train()
