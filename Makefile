# Two commands do everything: `make demo` and `make test`. See README.md.

# Dependencies are compiled once for every clone of this user: Qdrant's engine alone takes minutes.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/quire/target
BINARY := $(CARGO_TARGET_DIR)/release/quire
PYTHON ?= python3

.PHONY: help setup build demo test lint clean

help:
	@echo "make demo    build Quire, index the demo's documents, ask three questions"
	@echo "make test    run every test"
	@echo "make setup   fetch ONNX Runtime and PDFium into native/"
	@echo "make build   build the release binary at target/release/quire"
	@echo "make lint    formatting, clippy and documentation, warnings as errors"

setup:
	@$(PYTHON) scripts/native.py

# The binary also lies in this clone, beside native/ and models/, whichever folder cargo builds in.
build: setup
	cargo build --release --locked
	@if [ ! "$(BINARY)" -ef target/release/quire ]; then \
		mkdir -p target/release && rm -f target/release/quire && \
		{ ln "$(BINARY)" target/release/quire 2>/dev/null || cp "$(BINARY)" target/release/quire; }; \
	fi

demo: build
	@demo/run.sh target/release/quire

# The release profile, so that nothing is compiled twice for tests and demo.
test: setup
	cargo test --release --locked

lint:
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --document-private-items

clean:
	rm -rf target native demo-data
