# Every target sets up what it needs, from a bare clone.
SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env results progress verify reference qc crate sbom test check lint format lock validate simulations benchmark clean

CORES ?= 2
STUDY ?= .
AS_OF ?=
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES) --rerun-incomplete --quiet rules host progress
NOISE := ^(Assuming unrestricted|Building DAG|Using shell|Select jobs|Execute [0-9]+ jobs|Complete log|Elapsed time)
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export PYTHON

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

env: .venv/made ## make the environment .venv/

.venv/made: requirements.lock pyproject.toml tools/make-env
	@tools/make-env

results: .venv/made ## everything from nothing: data, models, tables (STUDY=folder for another study)
	@set -o pipefail; $(SNAKEMAKE) --directory $(STUDY) 2>&1 | sed -uE '/$(NOISE)/d'
	@echo "Tables: $(STUDY)/results/tables/*.html and *.csv; every number: $(STUDY)/results/estimates.csv"

verify: .venv/made ## results made again in a clean folder, against the stored reference results, number by number
	@NOISE='$(NOISE)' tools/verify $(STUDY)

reference: results ## store the results as reference results (STUDY/reference), for `make verify`
	@$(BIN)/pipanalysis verify $(STUDY)/results --store $(STUDY)/reference

qc: results ## the mixed models again in R (nlme, and mmrm where it is installed), against the results
	$(BIN)/python qc/frames.py $(STUDY)
	Rscript qc/mmrm.R $(STUDY)/build/qc $(STUDY)/results/estimates.csv

crate: results ## the results as a Workflow Run RO-Crate, STUDY/build/crate, with Snakemake's report; validated
	@rm -rf $(STUDY)/build/crate && mkdir -p $(STUDY)/build
	@$(SNAKEMAKE) --directory $(STUDY) --report build/workflow-report.html >/dev/null
	@$(BIN)/pipanalysis crate $(STUDY)/build/crate --study $(STUDY) --report $(STUDY)/build/workflow-report.html
	@tools/validate-crate $(STUDY)/build/crate

sbom: .venv/made ## what the lock file pins as a CycloneDX software bill of materials, build/sbom.cdx.json
	@tools/sbom

progress: .venv/made ## the trial manager's page, blinded (AS_OF=2007-06-18 or today; STUDY=folder)
	@set -o pipefail; $(SNAKEMAKE) --directory $(STUDY) progress --config as_of='$(AS_OF)' 2>&1 | sed -uE '/$(NOISE)/d'
	@echo "The page: $(STUDY)/results/progress/index.html; lists beside it, one workbook a site in sites/"

test: .venv/made ## the test suite
	@$(BIN)/pytest -q -n $(CORES) --no-loadscope-reorder

check: .venv/made ## lint, formatting, types, and that the lock file covers pyproject.toml
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	tools/lock --check

lint: check

format: .venv/made ## format the code
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

lock: .venv/made ## pin the newest packages that pyproject.toml admits, by hash
	tools/lock

validate: .venv/made ## long simulations: type I error, coverage (about half an hour)
	$(BIN)/pytest -q -m validation -s

simulations: .venv/made ## every estimator's coverage or type I error, into docs/simulations.md (about 8 minutes on 2 cores)
	PYTHONPATH=tests $(BIN)/python -m simulations

benchmark: .venv/made ## how fast, and how much memory
	$(BIN)/python benchmarks/bench_mmrm.py
	$(BIN)/python benchmarks/bench_large_trial.py
	$(BIN)/python benchmarks/bench_frequentist.py
	$(BIN)/python benchmarks/bench_progress.py
	$(BIN)/python benchmarks/bench_bayes.py

clean: ## remove what was made: data of the synthetic trial, derived data, results (not the history of the progress page)
	git clean -fdxq -e '**/data/progress/' -e query_answers.csv data results examples
