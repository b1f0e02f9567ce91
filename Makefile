# The verbs of this project. A fresh machine needs Rust, Python 3.11+ and make; everything else goes into .venv.
# Every step leaves a stamp, so nothing is built or installed twice.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := bash
MAKEFLAGS += --no-builtin-rules --no-print-directory

new_enough := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c '$(new_enough)' 2>/dev/null && echo $$python && break; done)

venv := .venv
bin := $(venv)/bin
pip := $(bin)/python -m pip --disable-pip-version-check --quiet
export PYO3_PYTHON := $(CURDIR)/$(bin)/python

# The linter of dependencies is a Rust program: unless it is on the PATH, it is compiled once per user, unoptimised.
cargo_deny_version := 0.20.2
cargo_deny_home := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dlcore/cargo-deny-$(cargo_deny_version)
cargo_deny := $(or $(shell command -v cargo-deny),$(cargo_deny_home)/bin/cargo-deny)

# The linker that Rust brings along can fold equal functions (see rust/python/build.rs).
fold := $(if $(wildcard $(shell rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld),DLCORE_FOLD=1)

# Folders are in the list because a file that goes changes nothing else.
package := $(shell find rust python -not -path '*/__pycache__*' -not -name '*.so') \
	Cargo.toml Cargo.lock pyproject.toml README.md $(wildcard LICENSE*)

.PHONY: help setup wheel build develop demo test test-rust test-python lint lint-rust lint-python docs fmt bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(venv)/.tools ## the virtual environment and the build tools
wheel: dist/.wheel ## the release wheel, in dist/
build: $(venv)/.installed ## the wheel, installed into .venv

develop: $(venv)/.tools ## an editable install, unoptimised: quick to build, slow to run
	rm -f $(venv)/.installed
	VIRTUAL_ENV=$(venv) $(bin)/maturin develop --extras dev

demo: $(venv)/.with-plot ## train a network on handwritten digits and look at it
	$(bin)/dlcore demo

test: lint test-rust test-python ## everything that continuous integration checks

test-rust: $(venv)/.tools
	cargo test --workspace --locked

test-python: $(venv)/.with-dev
	$(bin)/python -m pytest ./tests --pyargs dlcore

lint: lint-rust lint-python ## formatting, clippy, links in the docs, licences of dependencies, ruff, types, stubs

lint-rust: $(venv)/.tools $(cargo_deny)
	cargo fmt --all --check
	$(cargo_deny) --locked check licenses bans sources
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --package dlcore-kernels --package dlcore-core --no-deps --locked

lint-python: $(venv)/.with-dev
	$(bin)/ruff format --check
	$(bin)/ruff check
	$(bin)/mypy
	$(bin)/stubtest --mypy-config-file pyproject.toml --allowlist .ci/stubtest-allow \
		--ignore-unused-allowlist dlcore._core

fmt: $(venv)/.with-dev ## format the sources
	cargo fmt --all
	$(bin)/ruff check --select I --fix
	$(bin)/ruff format

docs: $(venv)/.with-docs ## the reference, from the docstrings, in docs/_build/html
	$(bin)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html

bench: $(venv)/.with-bench ## dlcore against numpy
	$(bin)/python -m pytest ./benches --benchmark-columns=min,median,iqr,rounds

clean: ## remove all that the verbs made
	cargo clean
	rm -rf $(venv) dist demo-out .pytest_cache .ruff_cache .mypy_cache .hypothesis .benchmarks docs/api docs/_build \
		python/dlcore/_core*.so

# --- steps --------------------------------------------------------------------------------------------------------

$(venv)/.tools: pyproject.toml
	@test -n "$(PYTHON)" || { echo "dlcore needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@command -v cargo >/dev/null || { echo "dlcore needs Rust: https://rustup.rs"; exit 1; }
	test -x $(bin)/python || $(PYTHON) -m venv $(venv)
	$(pip) install --upgrade 'pip>=24' 'maturin>=1.16,<2'
	touch $@

dist/.wheel: $(venv)/.tools $(package)
	rm -f dist/*.whl $@
	$(fold) $(bin)/maturin build --release --interpreter $(bin)/python --compression-level 9 --out dist
	touch $@

$(venv)/.installed: dist/.wheel
	$(pip) install --force-reinstall --no-deps dist/*.whl
	$(pip) install dist/*.whl
	touch $@

# The installed wheel with one of its extras.
$(venv)/.with-%: $(venv)/.installed
	$(pip) install "$$(echo dist/*.whl)[$*]"
	touch $@

$(cargo_deny_home)/bin/cargo-deny:
	CARGO_TARGET_DIR=$(cargo_deny_home)/target CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	cargo install --quiet --locked --root $(cargo_deny_home) --version $(cargo_deny_version) cargo-deny
	rm -rf $(cargo_deny_home)/target
