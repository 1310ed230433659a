# Two commands do everything: `make demo` and `make test`. See README.md.

# Dependencies are compiled once for every clone of this user: Qdrant's engine alone takes minutes.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/quire/target
BINARY := $(CARGO_TARGET_DIR)/release/quire
PYTHON ?= python3

# Clones share the folder that dependencies are compiled in. Cargo tells their sources apart by time alone, so a clone that
# builds after another one makes its own files the newer ones.
OWNER := $(CARGO_TARGET_DIR)/.quire-clone
CLAIM := mkdir -p "$(CARGO_TARGET_DIR)" && { [ "$$(cat "$(OWNER)" 2>/dev/null)" = "$(CURDIR)" ] || \
	{ touch src/lib.rs src/main.rs tests/*.rs tests/*/main.rs benches/*/main.rs && echo "$(CURDIR)" > "$(OWNER)"; }; }

.PHONY: help setup postgres build demo test quick lint deny bench bench-engine mutants eval-builtin clients-test schemathesis soak \
	wheel deploy-check page-tools page-test page-look page-pictures clean

help:
	@echo "make demo    build Quire, index the demo's documents, ask three questions"
	@echo "make test    run every test"
	@echo "make quick   run some tests after an edit, compiled in a hurry: make quick T='--lib -- ledger'"
	@echo "make setup   fetch ONNX Runtime and PDFium into native/"
	@echo "make postgres    install PostgreSQL from Debian's package, for the tests that need one"
	@echo "make page-test   drive the web page in Chromium over a mock; over a running service: make page-test QUIRE_PAGE_URL=http://localhost:PORT"
	@echo "make page-look   pictures of every view and state of the web page, into tests/page/shots"
	@echo "make page-pictures    the pictures of README.md, of a running service with the demo's documents: QUIRE_PAGE_URL=http://localhost:PORT"
	@echo "make build   build the release binary at target/release/quire"
	@echo "make bench   measure speed and memory beside the Python peers (downloads packages); a quiet machine, please"
	@echo "make eval-builtin    measure the built-in model on pages it never saw (downloads packages, needs apt-get)"
	@echo "make clients-test    ask the service through the official clients of OpenAI and MCP (downloads packages)"
	@echo "make schemathesis    hold the service against its own OpenAPI document (downloads packages)"
	@echo "make soak    kills, outages, full disks, growth, latency, hours of load: make soak S=kills A='--kills 60 --pages 600' (tests/soak)"
	@echo "make bench-engine    measure how busy an ingest keeps the model, and the store's memory and pauses"
	@echo "make mutants take away what keeps a promise, one line at a time: a test must notice each (an hour or more)"
	@echo "make wheel   build the Python wheel, and try it in a fresh environment (downloads packages)"
	@echo "make deploy-check    check what is in deploy/ with the tools that are here (downloads packages)"
	@echo "make deny    licences, sources and advisories of dependencies (needs cargo-deny)"
	@echo "make lint    formatting, clippy and documentation, warnings as errors"

setup:
	@$(PYTHON) scripts/native.py

# Tests start it by themselves, in a folder of their own. Debian's package starts a cluster of its own too, which they leave alone.
postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "install PostgreSQL's server (Debian: postgresql)"; exit 1; }; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; \
	}

# The binary also lies in this clone, beside native/ and models/, whichever folder cargo builds in.
build: setup
	@$(CLAIM)
	cargo build --release --locked
	@if [ ! "$(BINARY)" -ef target/release/quire ]; then \
		mkdir -p target/release && rm -f target/release/quire && \
		{ ln "$(BINARY)" target/release/quire 2>/dev/null || cp "$(BINARY)" target/release/quire; }; \
	fi

demo: build
	@demo/run.sh target/release/quire

# The edit-test loop: the library itself without optimisation, step by step, over the dependencies of the release profile.
# T: what to run, such as "--lib -- ledger" or "--test engine". Not for tests that run the page model: they take minutes so.
T ?= --test engine
quick: setup
	@$(CLAIM)
	CARGO_INCREMENTAL=1 cargo --config 'profile.release.package.quire.opt-level=0' test --release --locked $(T)

# Installs what is missing where it may, and says what to install where it may not.
PAGE_PACKAGES := chromium poppler-utils fonts-inter fonts-linuxlibertine
page-tools:
	@command -v npm >/dev/null || { echo "install Node 20.19 or later with npm (Debian: nodejs npm)"; exit 1; }
	@missing="$$(for package in $(PAGE_PACKAGES); do dpkg-query -W -f '$${db:Status-Abbrev}' $$package 2>/dev/null | grep -q ^ii || printf '%s ' $$package; done)"; \
	[ -z "$$missing" ] || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "install Debian's packages $$missing"; exit 1; }; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	}
	@cd tests/page && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund --ignore-scripts; }

# Over a real service only the suites that a real service can answer run.
page-test: export QUIRE_PAGE_URL := $(QUIRE_PAGE_URL)
page-test: page-tools
	@cd tests/page && npm run --silent $(if $(QUIRE_PAGE_URL),real,test)

page-look: page-tools
	@cd tests/page && npm run --silent look

page-pictures: export QUIRE_PAGE_URL := $(QUIRE_PAGE_URL)
page-pictures: page-tools
	@cd tests/page && node readme.mjs

# The release profile, so that nothing is compiled twice for tests and demo.
test: setup
	@$(CLAIM)
	cargo test --release --locked

lint:
	@$(CLAIM)
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --document-private-items

# Advisories need their database, which is fetched where it can be reached.
deny:
	cargo deny check bans licenses sources
	@if cargo deny fetch db >/dev/null 2>&1; then cargo deny check advisories; \
	else echo "the database of advisories can't be reached: they were not checked"; fi

# The official clients, from PyPI, against a real `quire serve`.
clients-test: build
	@[ -x .venv-clients/bin/python ] || $(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	@.venv-clients/bin/python tests/clients/run.py target/release/quire

# Everything that the OpenAPI document allows, and what it does not: no 5xx, no undocumented status.
schemathesis: build
	@[ -x .venv-schemathesis/bin/python ] || $(PYTHON) -m venv .venv-schemathesis
	@.venv-schemathesis/bin/pip install --quiet --disable-pip-version-check -r tests/schemathesis/requirements.txt
	@.venv-schemathesis/bin/python tests/schemathesis/run.py target/release/quire

# What the service promises, shown at length: tests/soak/README.md says what there is. S: which, A: its arguments.
S ?=
A ?=
soak: build
	@[ -n "$(S)" ] && [ -f "tests/soak/$(S).py" ] || { \
		echo "make soak S=kills | outages | disks | poison | growth | latency | mixed   A='arguments'; see tests/soak/README.md"; exit 1; }
	@QUIRE_ONNXRUNTIME="$${QUIRE_ONNXRUNTIME:-$(wildcard $(CURDIR)/native/libonnxruntime.*)}" \
		QUIRE_PDFIUM="$${QUIRE_PDFIUM:-$(wildcard $(CURDIR)/native/libpdfium.*)}" \
		$(PYTHON) tests/soak/$(S).py target/release/quire $(A)

mutants: setup
	@tests/mutants/run.py $(MUTANTS)

bench-engine: setup
	@$(CLAIM)
	cargo bench --locked --bench engine
	cargo bench --locked --bench store

# BENCH: more arguments for benches/run.py, such as --pdfs FOLDER. Where torch and colpali-engine are installed in .venv too,
# the pooling peer is colpali-engine itself instead of a copy of its arithmetic.
BENCH ?=
bench: build
	@[ -x .venv/bin/python ] || $(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check -r benches/peers/requirements.txt
	@$(PYTHON) benches/run.py --quire target/release/quire --python .venv/bin/python $(BENCH)

# Held-out pages and questions made from named Debian packages, indexed and asked with Quire itself.
EVAL ?= eval-set
eval-builtin: build
	@[ -x .venv/bin/python ] || $(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check \
		$$(grep -E '^(numpy|pillow|pypdfium2)==' training/requirements.txt)
	@[ -f $(EVAL)/questions.jsonl ] || .venv/bin/python training/make_eval_set.py --out $(EVAL) --cache $(EVAL)/cache --scans
	target/release/quire --data-dir $(EVAL)/data eval $(EVAL)
	@echo "The same pages as simulated 300-dpi scans:"
	target/release/quire --data-dir $(EVAL)/data-scans eval $(EVAL) --documents scans

# Compiles in the folder of the other targets, so that nothing but Quire itself is compiled.
wheel:
	@[ -x .venv/bin/python ] || $(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check maturin==1.16.0
	@$(CLAIM)
	@wheel=$$(.venv/bin/python scripts/wheel.py build) && .venv/bin/python scripts/wheel.py try "$$wheel"

# QUIRE: a program to load the configurations with; none is built for it.
deploy-check: QUIRE ?= $(wildcard target/release/quire)
deploy-check:
	@[ -x .venv/bin/python ] || $(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check -r deploy/check/requirements.txt
	@PATH="$(CURDIR)/.venv/bin:$$PATH" PYTHON="$(CURDIR)/.venv/bin/python" QUIRE="$(QUIRE)" deploy/check/run.sh

clean:
	rm -rf target native demo-data
