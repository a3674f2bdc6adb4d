# petseg: from photographs of pets to a registered segmentation model. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/installed
INSTALLED_FOR_TEAMS := $(VENV)/installed-for-teams
INSTALLED_FOR_RAY := $(VENV)/installed-for-ray
INSTALLED_FOR_DOCS := $(VENV)/installed-for-docs
# Wheels alone, with the digests in the lock files; one package has no wheel.
PIP_INSTALL := $(VENV)/bin/python -m pip install --no-compile --require-hashes --only-binary :all: \
  --no-binary antlr4-python3-runtime
# Without NVIDIA's driver, torch for processors: 0.2 GB in place of 3 (TORCH=cuda or TORCH=cpu decides otherwise).
TORCH ?= $(if $(shell command -v nvidia-smi),cuda,cpu)
TORCH_PINS = $$(grep -oE '^torch(vision)?==[^ ;]+' requirements.lock)
UV := uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-header --no-annotate
UV_COMPILE := $(UV) --extra dev pyproject.toml
CONTAINER ?= $(or $(shell command -v podman),docker)
# DVC starts the stages with the first python on PATH.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
# A user id without an account, as in containers: packages ask for its home and its name.
export HOME ?= /nonexistent
export LOGNAME ?= $(shell id -un 2>/dev/null || id -u)

.PHONY: all help test test-teams nightly torture evaluate ui visualize predict app serve image container web monitor \
  labels retrain report review models promote verify sweep install-ray doctor train oxford describe sync move bench \
  bench-scale docs lint format lock audit sbom clean

all: $(INSTALLED) ## Set up, run the pipeline and the gate, print the scores (the default)
	dvc repro
	python -m tools.models gate
	python -m tools.scores --next

# tests/conftest.py says which tests share a process, and which start first.
test: $(if $(SLOW),$(INSTALLED_FOR_TEAMS),$(INSTALLED)) ## Set up and run the tests (SLOW=1: the slow ones too; WORKERS=3)
	python -m pytest --numprocesses $(or $(WORKERS),auto) --dist loadscope --no-loadscope-reorder $(if $(SLOW),-m "not nightly and not teams")

test-teams: $(INSTALLED_FOR_TEAMS) ## Run docs/teams.md against PostgreSQL and S3 servers on this machine
	python -m pytest -m teams

nightly: ## Run what takes too long for every change: every fault ten times (.ci/nightly)
	.ci/nightly

torture: $(INSTALLED) ## Break real runs and count the losses (TRIES=10 ONLY=network; docs/reliability.md)
	rm -rf .cache/torture
	PETSEG_TRIES=$(or $(TRIES),10) python -m pytest -m torture --numprocesses 2 --dist loadscope --no-loadscope-reorder $(if $(ONLY),-k "$(ONLY)"); \
	  tests=$$?; python tests/torture/ledger.py && exit $$tests

evaluate: $(INSTALLED) ## Update the evaluation and print the scores
	dvc repro evaluate
	python -m tools.scores

ui: $(INSTALLED) ## Compare runs in the browser: MLflow at http://127.0.0.1:5000 (PORT=5002)
	python -m tools.ui $(if $(PORT),--port $(PORT))

describe: $(INSTALLED) ## Write a first description of a data set (IMAGES=folder MASKS=folder NAME=mine)
	$(if $(and $(IMAGES),$(MASKS)),,$(error say where: make describe IMAGES=folder MASKS=folder NAME=mine))
	python -m tools.describe "$(IMAGES)" "$(MASKS)" $(if $(NAME),--name "$(NAME)")

visualize: $(INSTALLED) ## Draw a grid of images and masks (SPLIT=test GROUP=Bengal COUNT=12 SEED=0)
	python -m tools.visualize $(if $(SPLIT),--split $(SPLIT)) $(if $(GROUP),--group "$(GROUP)") \
	  $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

# The shell takes IMAGE from the environment, where make puts it: any name stays one word.
predict: $(if $(ENGINE),$(INSTALLED_FOR_RAY),$(INSTALLED)) ## Predict masks (IMAGE=file, folder, pattern or s3://...; MODEL=3 PRECISION=fp32 OUT=results LOG=folder ENGINE=ray)
	$(if $(IMAGE),,$(error say which photograph: make predict IMAGE=pet.jpg))
	python -m tools.predict $(if $(MODEL),--model "$(MODEL)") \
	  $(if $(PRECISION),--precision $(PRECISION)) $(if $(LOG),--log "$(LOG)") $(if $(KEEP),--keep $(KEEP)) \
	  $(if $(ENGINE),--engine $(ENGINE)) $(if $(OUT),--out "$(OUT)") -- "$$IMAGE"

app: $(INSTALLED) ## Try the model and review labels in the browser at http://127.0.0.1:8501 (LOG=folder KEEP=0.01)
	PYTHONPATH=. streamlit run tools/app.py -- $(if $(LOG),--log "$(LOG)") $(if $(KEEP),--keep $(KEEP))

serve: $(INSTALLED) ## Serve the champion at http://127.0.0.1:5001 (MODEL=3 PORT=5002 LOG=folder KEEP=0.01 SHADOW=@challenger)
	python -m tools.serve $(if $(MODEL),--model "$(MODEL)") $(if $(PORT),--port $(PORT)) \
	  $(if $(LOG),--log "$(LOG)") $(if $(KEEP),--keep $(KEEP)) $(if $(SHADOW),--shadow "$(SHADOW)")

web: $(INSTALLED) ## Write a page that runs the model in the visitor's browser (MODEL=3 PRECISION=fp32 OUT=web)
	python -m tools.web $(if $(MODEL),--model "$(MODEL)") $(if $(PRECISION),--precision $(PRECISION)) $(if $(OUT),--out "$(OUT)")

# Podman's own format has no health checks.
image: ## Build the model server's image with podman or docker (CONTAINER=docker BASE=an image with Python)
	BUILDAH_FORMAT=docker $(CONTAINER) build $(if $(BASE),--build-arg BASE=$(BASE)) --target server --tag petseg-server \
	  --file Containerfile .

container: ## Serve models/model.onnx from that image, without any rights, at http://127.0.0.1:5001 (PORT=5002)
	@test -f models/model.onnx || { echo "error: models/model.onnx is missing: run make first"; exit 1; }
	exec $(CONTAINER) run --rm --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
	  --publish 127.0.0.1:$(or $(PORT),5001):5001 --volume "$(CURDIR)/models:/models:ro" petseg-server

monitor: $(INSTALLED) ## Compare what served models see with their evaluation (LOG=folder; docs/operations.md)
	$(if $(LOG),,$(error say which log: make monitor LOG=log, the folder that make serve LOG=log writes))
	python -m tools.monitor "$(LOG)"

labels: $(INSTALLED) ## Rank the pairs by how strongly a model disputes their masks (docs/labels.md)
	python -m tools.labels rank

retrain: $(INSTALLED) ## Train on what people reviewed and added, run the gate, say what the added pairs did (docs/review.md)
	dvc repro
	python -m tools.models gate
	python -m tools.retrain

report: $(INSTALLED) ## Write the model card to one HTML file in reports/
	python -m tools.report

review: $(INSTALLED) ## Write what this branch changed, for a pull request (BASE=main; docs/compare.md)
	python -m tools.review $(if $(BASE),--base "$(BASE)")

models: $(INSTALLED) ## List the registered versions
	python -m tools.models list

promote: $(INSTALLED) ## Make a version the champion, whatever the gate says (VERSION=n)
	python -m tools.models promote $(VERSION)

verify: $(INSTALLED) ## Rebuild a model and compare the bytes (VERSION=1 or RUN=id; DATA=data/pairs)
	$(if $(VERSION)$(RUN),,$(error say which model: make verify VERSION=1, or RUN=the id of a run))
	python -m tools.verify "$(VERSION)$(RUN)" $(if $(DATA),--data "$(DATA)")

sweep: $(if $(ENGINE),$(INSTALLED_FOR_RAY),$(INSTALLED)) ## Try many settings, or search (SWEEP=file WORKERS=2 ENGINE=ray SET="train.epochs=2")
	python -m tools.sweep "$(or $(SWEEP),experiments/sweep.yaml)" $(if $(WORKERS),--workers $(WORKERS)) \
	  $(if $(ENGINE),--engine $(ENGINE)) \
	  $(foreach setting,$(SET),--set "$(setting)")

install-ray: $(INSTALLED_FOR_RAY) ## Install Ray, which several machines need (docs/scale.md)

doctor: $(INSTALLED) ## Check that everything is in place, and name the remedy if not
	python -m tools.doctor

train: $(INSTALLED) ## Run the pipeline on a data set (DATASET=camvid PLACES="archive=path" SETTINGS=file SET="seed=1")
	$(if $(DATASET),,$(error say which data set: make train DATASET=camvid, for datasets/camvid.yaml))
	python -m tools.train $(DATASET) $(if $(SETTINGS),--settings "$(SETTINGS)") \
	  $(foreach place,$(PLACES),--place "$(place)") $(if $(IMAGES),--place "images=$(IMAGES)") \
	  $(if $(ANNOTATIONS),--place "annotations=$(ANNOTATIONS)") $(foreach setting,$(SET),--set "$(setting)")
	python -m tools.models gate
	python -m tools.scores

oxford: DATASET := oxford
oxford: train ## Run the pipeline on the official photographs of pets (IMAGES= ANNOTATIONS= as archives or URLs)

sync: $(INSTALLED) ## Send the metrics that the tracking server missed
	python -m tools.sync

move: $(INSTALLED_FOR_TEAMS) ## Copy mlflow.db into a server's empty database (TO=address; docs/by-hand.md)
	$(if $(TO),,$(error say where: make move TO=postgresql+psycopg://USER@HOST:PORT/DATABASE))
	python -m tools.move "$(TO)"

bench: $(INSTALLED) ## Compare the speed of training, prediction and INT8 with plain code
	python -m benchmarks.training
	python -m benchmarks.predicting
	python -m benchmarks.deploy

bench-scale: $(INSTALLED) ## Measure what more images cost each stage (IMAGES="1000 10000" SHARDS=64; docs/scale.md)
	python -m benchmarks.scale $(if $(IMAGES),--images $(IMAGES)) $(if $(SHARDS),--shards $(SHARDS))

# Not --quiet: what it does not print, it does not count, and a broken link would pass.
docs: $(INSTALLED_FOR_DOCS) ## Build the documentation as a site, site/index.html; a broken link fails
	python -m docs.site.pages
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --config-file .cache/docs/mkdocs.yml

lint: $(INSTALLED) ## Check style, types, and which package imports which
	ruff check .
	ruff format --check .
	mypy
	lint-imports

format: $(INSTALLED) ## Format the code and apply automatic fixes
	ruff check --fix .
	ruff format .

# One resolution, split by who installs it: everyone, and on top of that teams, clusters of machines, whoever
# builds the documentation, and machines with an NVIDIA GPU. The images of the Containerfile have parts of it.
lock: $(INSTALLED) ## Pin the newest allowed packages, with digests, in the lock files
	mkdir -p .cache/locks
	$(UV_COMPILE) --upgrade --extra teams --extra ray --extra docs --output-file .cache/locks/all
	$(UV_COMPILE) --constraint .cache/locks/all --output-file .cache/locks/own
	awk '/^[a-z]/ { cuda = /^(cuda|nvidia|triton)/ } !cuda' .cache/locks/own > requirements.lock
	awk '/^[a-z]/ { cuda = /^(cuda|nvidia|triton)/ } cuda' .cache/locks/own > requirements-cuda.lock
	for extra in teams ray docs; do \
	  $(UV_COMPILE) --constraint .cache/locks/all --extra $$extra --output-file .cache/locks/$$extra && \
	  awk 'NR == FNR { own[$$0]; next } /^[a-z]/ { added = !($$0 in own) } added' .cache/locks/own .cache/locks/$$extra \
	    > requirements-$$extra.lock || exit 1; done
	for image in serve tracking; do \
	  $(UV) --constraint .cache/locks/all --group $$image --output-file requirements-$$image.lock || exit 1; done

# Neither program is part of the project: uvx keeps an environment for each. --strict: without the network pip-audit
# would skip every package and still report no vulnerabilities.
audit: $(INSTALLED) ## Check the pinned packages for known vulnerabilities (needs pypi.org)
	for lock in requirements*.lock; do \
	  uvx --from "pip-audit>=2.9,<3" pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement $$lock || exit 1; done

sbom: $(INSTALLED) ## List the pinned packages as a CycloneDX SBOM, reports/sbom.json
	mkdir -p reports
	uvx --from "cyclonedx-bom>=7,<8" cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
	  --output-file reports/sbom.json

clean: ## Remove outputs, caches and unfinished trainings; keep runs, artifacts and results
	rm -rf data models metrics/labels metrics/plots metrics/tables site .cache
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --no-compile: most of what the packages bring is never imported. PyTorch's own index lists no digests of ours.
$(INSTALLED): requirements.lock requirements-cuda.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11, 4) <= sys.version_info < (3, 15))' || \
	  { echo "error: $(PYTHON) does not fit: Python 3.11.4 to 3.14 is needed. Name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
ifeq ($(TORCH),cpu)
	$(VENV)/bin/python -m pip install --no-compile --no-deps --retries 0 \
	  --extra-index-url https://download.pytorch.org/whl/cpu $(TORCH_PINS)
	cuda=$$($(VENV)/bin/python -c 'import importlib.metadata as m; print("" if "+cpu" in m.version("torch") else "--requirement requirements-cuda.lock")') && \
	  $(PIP_INSTALL) --requirement requirements.lock $$cuda
else
	$(PIP_INSTALL) --requirement requirements.lock --requirement requirements-cuda.lock
endif
	@touch $@

$(INSTALLED_FOR_TEAMS) $(INSTALLED_FOR_RAY) $(INSTALLED_FOR_DOCS): $(VENV)/installed-for-%: requirements-%.lock $(INSTALLED)
	$(PIP_INSTALL) --requirement requirements.lock --requirement $<
	@touch $@
