# Every command a person needs. `make` alone lists them.

CARGO ?= cargo
BACKENDS ?= cpu,arkworks
SIZES ?= 10..14
VECTORS ?= 1000000
SIZE ?= 256
TRACE ?= build/msm.fst

.DEFAULT_GOAL := help
# One folder of examples/ each, with a run.py.
EXAMPLES = trading lending medical api credential freeze training

.PHONY: help tools evm-tools web test-web demo examples $(EXAMPLES:%=example-%) test test-conformance test-faults test-hardware test-sanitize synth fmt lint doc deny bench bench-ezkl bench-ezkl-conformance bench-gas bench-visibility bench-batches bench-peers waves ci clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tools: ## Install what the build needs and this machine lacks (C++ compiler, Verilator)
	@.ci/tools build

evm-tools: ## Install what runs contracts: the Solidity compiler (npm) and an EVM (revm)
	@.ci/tools evm

demo: tools ## Prove and verify a digit classifier (LeNet-5), then try to cheat
	@$(CARGO) build --release --package tapeout-prover
	@examples/demo.sh target/release/tapeout

examples: $(EXAMPLES:%=example-%) ## Run the examples of what proofs are good for; example-trading, -lending, -medical, -api, -credential, -freeze, -training run one

example-trading example-lending example-freeze: evm-tools

$(EXAMPLES:%=example-%): example-%: tools
	@$(CARGO) build --release --package tapeout-prover
	@python3 examples/$*/run.py target/release/tapeout

test: tools evm-tools ## Run all tests, those of the contracts in an EVM included
	$(CARGO) test --workspace

web: ## Build the page that verifies proofs in a browser, offline: build/web/index.html
	@.ci/tools wasm
	@$(CARGO) build --release --locked --target wasm32-unknown-unknown \
		--manifest-path examples/web/Cargo.toml --target-dir build/web/target
	@node examples/web/build.mjs build/web/target/wasm32-unknown-unknown/release/tapeout_web.wasm build/web/index.html

test-web: web ## Test that page in headless Chromium, and time a verification
	@.ci/tools chromium
	@node examples/web/test.mjs build/web/index.html prover/verifier/tests/vectors.json

fmt: ## Format the Rust sources
	$(CARGO) fmt

lint: tools ## Check formatting, clippy with warnings denied, and the SystemVerilog with Verible
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@.ci/tools rtl
	@test ! -x build/verible/bin/verible-verilog-lint || build/verible/bin/verible-verilog-lint --rules_config rtl/lint/verible.rules rtl/*/*.sv sim/fast/*.sv

doc: tools ## Build the API documentation with warnings denied
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps

deny: ## Check licences, sources and versions of all dependencies
	@.ci/tools build deny
	PATH="$(CURDIR)/build/tools/bin:$$PATH" $(CARGO) deny --log-level error check --hide-inclusion-graph bans licenses sources

bench: tools ## Time MSM and NTT on BACKENDS=cpu,arkworks at SIZES=10..14
	@$(CARGO) build --release --package tapeout-prover
	@for kernel in msm ntt; do target/release/tapeout bench $$kernel --backends $(BACKENDS) --sizes $(SIZES); done

bench-ezkl: ## Time EZKL and tapeout side by side in one run (MODELS=functions RUNS=... CONTRACTS=1; DOC=1 writes the pages)
	@.ci/tools build ezkl $(if $(CONTRACTS),evm)
	@$(CARGO) build --release --package tapeout-prover
	@build/ezkl/bin/python benches/peers/ezkl_bench.py --tapeout target/release/tapeout --out build/ezkl.json \
		$(if $(MODELS),--models $(MODELS)) $(if $(RUNS),--runs $(RUNS)) $(if $(DOC),--doc) $(if $(CONTRACTS),--contracts)

bench-ezkl-conformance: ## Run the ONNX project's node tests through EZKL (an hour), for docs/onnx-conformance.md
	@.ci/tools ezkl-conformance
	nice -n 19 build/ezkl-conformance/bin/python benches/peers/ezkl_conformance.py

bench-gas: tools evm-tools ## Measure the contracts' gas, for docs/evm.md
	@$(CARGO) build --release --package tapeout-prover
	@python3 benches/peers/contracts.py --tapeout target/release/tapeout

bench-visibility: tools evm-tools ## Time proofs with public, private and committed inputs and outputs, for docs/visibility.md
	@$(CARGO) build --release --package tapeout-prover
	@python3 benches/visibility.py --tapeout target/release/tapeout $(if $(MODELS),--models $(MODELS)) $(if $(RUNS),--runs $(RUNS))

bench-batches: tools ## Time proofs of many inferences and of models in segments, for docs/batches.md
	@$(CARGO) build --release --package tapeout-prover
	@python3 benches/batches.py --tapeout target/release/tapeout $(if $(RUNS),--runs $(RUNS))

bench-peers: tools ## Time MSM, NTT, other kernels and proofs beside other libraries, for docs/performance.md (PARTS=msm,ntt SIZES=10..14)
	@$(CARGO) build --release --manifest-path benches/peers/libraries/Cargo.toml
	@$(CARGO) build --release --package tapeout-prover
	@python3 benches/peers/kernels.py --libraries benches/peers/libraries/target/release/tapeout-bench-libraries \
		--tapeout target/release/tapeout --out build/kernels.json $(if $(PARTS),--parts $(PARTS)) \
		$(if $(filter-out default file,$(origin SIZES)),--sizes $(SIZES))

test-conformance: tools ## Prove and verify every ONNX node test of moderate size; change every cell of every operator's circuit (minutes)
	$(CARGO) test --release --package tapeout-prover --test model_conformance -- --ignored --nocapture
	$(CARGO) test --release --package tapeout-prover --lib ops::tests::circuits -- --ignored --nocapture

test-hardware: tools ## Test the simulated hardware on VECTORS=1000000 operations, with 20,000 bits flipped, and from random register contents
	TAPEOUT_VECTORS=$(VECTORS) $(CARGO) test --release --package tapeout-sim --test field --test curve
	$(CARGO) test --release --package tapeout-hw -- --ignored
	$(CARGO) test --release --package tapeout-driver --test faults -- --ignored --nocapture
	$(CARGO) test --release --package tapeout-prover --bin tapeout -- --ignored
	for seed in 1 2 3; do TAPEOUT_SEED=$$seed $(CARGO) test --package tapeout-sim --features random-start -- --skip every_module_elaborates || exit 1; done

test-faults: tools ## Flip a thousand bits on the simulated card, and write what came of them to docs/faults.md
	TAPEOUT_FAULTS_PAGE=$(CURDIR)/docs/faults.md $(CARGO) test --package tapeout-driver --test faults no_flip_goes_unnoticed -- --exact --nocapture

test-sanitize: ## Test the driver, whose kernels have unsafe code, under AddressSanitizer (x86-64 Linux; RUSTC_BOOTSTRAP as the flag is not stable)
	ASAN_OPTIONS=fast_unwind_on_malloc=0 LSAN_OPTIONS=suppressions=$(CURDIR)/.ci/leaks.supp \
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address $(CARGO) test --package tapeout-driver --lib \
		--target x86_64-unknown-linux-gnu --target-dir target/sanitize

waves: tools ## Record the signals of the simulated MSM engine at work (SIZE=256 TRACE=build/msm.fst)
	@mkdir -p $(dir $(TRACE))
	@$(CARGO) run --release --quiet --package tapeout-prover --features waves -- sim --engine msm --size $(SIZE) --trace $(TRACE)

synth: ## Estimate the hardware's area with Yosys and write docs/area.md (MODULES=msm/reducer for some)
	@test -x build/synth/bin/python || python3 -m venv build/synth
	@build/synth/bin/pip install --quiet --require-hashes -r rtl/synth/requirements.txt
	build/synth/bin/python rtl/synth/area.py $(MODULES)
	$(CARGO) run --quiet --package tapeout-hw -- emit

ci: ## Everything that a change must pass
	@.ci/run

clean: ## Remove everything that was built or installed here
	rm -rf target build
