# Every target is a small script in scripts/; read them for what happens.
.PHONY: help setup build run demo test bench fmt lint

help: ## Lists the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

setup: ## Installs everything that any target needs
	@scripts/setup all

build: ## Builds the release binaries and the browser's files
	@scripts/build

run: ## Builds and starts the panel on http://127.0.0.1:8070
	@scripts/run

demo: ## Starts the panel with a real Odoo database in a throwaway PostgreSQL
	@scripts/demo

test: ## Runs every test, in Rust and in a browser
	@scripts/test

bench: ## Measures speed, storage and memory
	@scripts/bench

fmt: ## Formats the code
	@cargo fmt --all

lint: ## Checks formatting, lints and dependencies
	@scripts/lint
