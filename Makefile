# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
# what an installation is made of, besides Python files
BUILD := pyproject.toml setup.py $(wildcard src/diffeo/kernels/native/*)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo demo-images test test-slow test-peers test-browser bench bench-quality bench-peers clean

demo: $(VENV)/demo
	$(BIN)/python examples/power_plant.py

demo-images: $(VENV)/demo-images
	$(BIN)/python examples/digits.py

test: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow" --ignore tests/peers --ignore tests/browser

test-slow: $(VENV)/dev
	$(BIN)/pytest -m slow --ignore tests/peers --ignore tests/browser

# the same formulae in other libraries, on the same parameters
test-peers: $(PEERS)/ready
	JAX_PLATFORMS=cpu $(PEERS)/bin/python -m pytest -W ignore tests/peers

# the report in a headless Chromium, which is installed where it is absent
test-browser: $(VENV)/browser
	sh tests/browser/install_chromium.sh
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/browser

# speed beside other libraries, which live in an environment of their own
bench: $(PEERS)/ready
	$(PEERS)/bin/python benchmarks/speed.py

# every table under benchmarks/results that needs no other library
bench-quality: $(VENV)/dev
	$(BIN)/python benchmarks/toy.py
	$(BIN)/python benchmarks/toy_continuous.py
	$(BIN)/python benchmarks/flow_matching.py
	$(BIN)/python benchmarks/models.py
	$(BIN)/python benchmarks/reverse_kl.py
	$(BIN)/python benchmarks/potentials.py
	$(BIN)/python benchmarks/posteriors.py
	$(BIN)/python benchmarks/posteriordb.py
	$(BIN)/python benchmarks/vae.py --missing
	$(BIN)/python benchmarks/sphere.py
	$(BIN)/python benchmarks/power_plant.py
	$(BIN)/python benchmarks/conditional.py
	$(BIN)/python benchmarks/regression.py
	$(BIN)/python benchmarks/debd.py
	$(BIN)/python benchmarks/imputation.py
	$(BIN)/python benchmarks/anomaly.py
	$(BIN)/python benchmarks/large_table.py
	$(BIN)/python benchmarks/tuning.py
	$(BIN)/python benchmarks/tarflow_sampling.py
	$(BIN)/python benchmarks/digits.py
	$(BIN)/python benchmarks/mnist.py
	$(BIN)/python benchmarks/image_sets.py
	$(BIN)/python benchmarks/pointclouds.py
	$(BIN)/python benchmarks/pointclouds_meshes.py
	$(BIN)/python benchmarks/music.py
	$(BIN)/python benchmarks/sets.py
	$(BIN)/python benchmarks/chorales.py
	$(BIN)/python benchmarks/text.py
	$(BIN)/python benchmarks/import_time.py

# the other tables beside other libraries
bench-peers: $(PEERS)/ready
	$(PEERS)/bin/python benchmarks/density.py
	$(PEERS)/bin/python benchmarks/round_trip.py
	$(PEERS)/bin/python benchmarks/robustness.py
	$(PEERS)/bin/python benchmarks/image_memory.py
	$(PEERS)/bin/python benchmarks/cifar.py

# torch first and alone, so that nothing else chooses a build for it
$(VENV)/torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	touch $@

$(VENV)/demo: $(VENV)/torch $(BUILD)
	$(PIP) --editable '.[cli,report]'
	touch $@

$(VENV)/demo-images: $(VENV)/torch $(BUILD)
	$(PIP) --editable '.[cli,images,tabular]'
	touch $@

$(VENV)/dev: $(VENV)/torch $(BUILD)
	$(PIP) --editable '.[all,dev]'
	touch $@

$(VENV)/browser: $(VENV)/dev
	$(PIP) 'selenium>=4.20'
	touch $@

$(PEERS)/ready: $(BUILD)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet torch==2.13.0
	$(PEERS)/bin/python -m pip install --quiet --editable '.[peers,report,tabular]' pytest
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) examples/output
