# Python 3.11 or newer is all that must be there: each target installs what it needs into .venv first, and `video` (whose
# MediaPipe needs numpy 1 and Python 3.11 or 3.12) into .venv-video.
#   PYTHON=python3.12              another interpreter, for a new .venv
#   TORCH_INDEX=URL                a further index, for PyTorch's CPU wheels: https://download.pytorch.org/whl/cpu
#   PYTEST_ARGS="-k losses"        more options for pytest
#   AUDIT_ARGS=--if-reachable     let `audit` pass where the advisory service cannot be reached
#   MODELS_ARGS='--work D'        where `models` keeps packs and RUNs
#   TORCH=2.13.0+cpu               the PyTorch that `lowest` and `newest` take, where others come as gigabytes for a GPU
PYTHON ?= python3
TORCH_INDEX ?=
PYTEST_ARGS ?=
AUDIT_ARGS ?=
TORCH ?=
BIN := .venv/bin
VIDEO := .venv-video/bin
PIP = -m pip install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
INSTALL = $(BIN)/python $(PIP) -c constraints.txt
# Whole files go to a process a core, each with one thread: their fixtures are made once. The longest go first.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# What other versions of dependencies can break, in a few minutes: arrays, tables, networks, losses, configs, files.
QUICK := tests/nn tests/ssl/test_losses.py tests/ssl/test_contrast.py tests/views/test_clips.py tests/views/test_crop.py \
	tests/pack/test_open.py tests/pack/test_check.py tests/pack/test_write.py tests/pose/read/test_pose_file.py \
	tests/pose/read/test_kaggle.py tests/pose/test_recording.py tests/evaluation/test_metrics.py \
	tests/evaluation/test_score_files.py tests/runs/test_recipe.py tests/runs/test_run.py
# The files that hold slow tests: importing all the others takes each process a while.
SLOW = $(shell grep -rl --include='test_*.py' 'mark\.slow' tests)

.PHONY: demo models test slow video lint types docs dist venv lowest newest audit sbom lock clean
.NOTPARALLEL:

demo: .venv/core.stamp
	@$(BIN)/twinsign demo

# The models that come with the package, trained again from $TWINSIGN_DATA: hours; resumes. MODELS_ARGS=--work DIR
models: .venv/core.stamp
	@$(BIN)/python tools/models.py $(MODELS_ARGS)

test: .venv/dev.stamp
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

# pytest exits with 5 where no test is selected.
slow: .venv/dev.stamp
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow --durations=8 $(PARALLEL) $(PYTEST_ARGS) $(SLOW) || test $$? -eq 5
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then $(MAKE) --no-print-directory video; \
		else echo "no MediaPipe for this Python: its tests did not run; make video PYTHON=python3.12 runs them"; fi

# MediaPipe and rtmlib on real video, and all that surrounds them, the camera before the page too, under numpy 1.
video: .venv-video/stamp
	@OMP_NUM_THREADS=1 $(VIDEO)/python -m pytest -m "slow or not slow" --durations=8 $(PARALLEL) tests/extract tests/cli/commands/test_extract.py \
		tests/serve/test_live.py tests/serve/test_camera.py tests/serve/test_films.py tests/web/test_pose_parity.py $(PYTEST_ARGS) || test $$? -eq 5

lint: .venv/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/dev.stamp
	@$(BIN)/mypy

# The site, into site/; to read it: python -m http.server -d site
docs: .venv/dev.stamp
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# Wheel and sdist, into dist/, the wheel tried in a clean environment outside the tree.
dist: .venv/dev.stamp
	@$(BIN)/python -m build --no-isolation --outdir dist . >/dev/null
	@TWINSIGN_DIST=dist $(BIN)/python -m pytest -m slow -q tests/test_dist.py

venv: .venv/dev.stamp

# The quick tests with the lowest versions that pyproject.toml admits, and with the newest that there are; what such
# versions warn of is shown and no error.
lowest: .venv-lowest/bin/python
	@$(PYTHON) tools/lowest.py $(if $(TORCH),--torch $(TORCH)) > .venv-lowest/constraints.txt
	@.venv-lowest/bin/python $(PIP) -c .venv-lowest/constraints.txt -e . pytest hypothesis
	@OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -q -W default $(QUICK) $(PYTEST_ARGS)

newest: .venv-newest/bin/python
	@.venv-newest/bin/python $(PIP) --upgrade --upgrade-strategy eager -e . $(if $(TORCH),torch==$(TORCH)) pytest hypothesis
	@OMP_NUM_THREADS=1 .venv-newest/bin/python -m pytest -q -W default $(QUICK) $(PYTEST_ARGS)

# Licences, and known holes by an advisory service; where that cannot be reached this fails and says so.
audit: .venv/dev.stamp
	@$(BIN)/python -m pip_audit --version >/dev/null 2>&1 || $(INSTALL) pip-audit==2.10.1 \
		|| echo "audit: pip-audit could not be installed"
	@$(BIN)/python tools/audit.py $(AUDIT_ARGS)

# What is installed of the locked versions, as CycloneDX: sbom.json, and sbom-video.json where `make video` was run.
sbom: .venv/dev.stamp .venv-tools/bin/python
	@.venv-tools/bin/python $(PIP) cyclonedx-bom==7.5.0
	@for place in "" -video; do test ! -x .venv$$place/bin/python || .venv-tools/bin/cyclonedx-py environment \
		--pyproject pyproject.toml --output-reproducible -o sbom$$place.json .venv$$place/bin/python || exit; done

# The versions of constraints*.txt with the hashes of their wheels, in locked/: for pip install --require-hashes.
# PyTorch and what its GPU builds pull in stay out: docs/install.md.
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" .venv-tools/bin/uv pip compile --quiet --upgrade --python-version 3.11.5 \
	--only-binary :all: --generate-hashes --no-annotate --excludes locked/left_out.txt --no-emit-package torch pyproject.toml
lock: .venv-tools/bin/python
	@.venv-tools/bin/python $(PIP) uv==0.13.9
	@$(LOCK) --universal -c constraints.txt -o locked/core.txt
	@$(LOCK) --universal -c constraints.txt --extra dev -o locked/dev.txt
	@$(LOCK) --python-platform linux -c constraints-video.txt --extra dev-video -o locked/video.txt

clean:
	rm -rf .venv .venv-video .venv-lowest .venv-newest .venv-tools sbom*.json build dist site src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Debian's Python may lack ensurepip, which venv needs; its pip can still fill an empty environment.
.venv/bin/python .venv-video/bin/python .venv-lowest/bin/python .venv-newest/bin/python .venv-tools/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(@:/bin/python=) >/dev/null || { $(PYTHON) -m venv --clear --without-pip $(@:/bin/python=) \
		&& $(PYTHON) -m pip --python $@ install --quiet pip; }

# The order-only interpreter: its own age says nothing about what is installed.
.venv/core.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing twinsign into .venv (PyTorch among it: this takes minutes)"
	@$(INSTALL) -e .
	@touch $@

.venv/dev.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing twinsign and its development tools into .venv (PyTorch among them: this takes minutes)"
	@$(INSTALL) -e '.[dev]'
	@touch $@ .venv/core.stamp

.venv-video/stamp: pyproject.toml constraints-video.txt | .venv-video/bin/python
	@$(VIDEO)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13) and "MediaPipe needs Python 3.11 or 3.12: make video PYTHON=python3.12")'
	@echo "installing twinsign, MediaPipe and rtmlib into .venv-video (PyTorch among them: this takes minutes)"
	@$(VIDEO)/python $(PIP) -c constraints-video.txt -e '.[dev-video]'
	@touch $@
