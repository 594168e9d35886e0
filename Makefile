# One word for each job; README and CONTRIBUTING explain them. All of them install what they need (Debian, Ubuntu).
SHELL := /bin/bash
.PHONY: demo test test-offline live-ready test-live test-rabbitmq-4 test-rt-debian-13 test-rt-french test-rt-proxied \
	faults fuzz lint tools deploy-check compose-test publishers-test deb deb-test sbom \
	bench bench-rt bench-pure bench-smoke

# Shows the relay at work on a real RabbitMQ and a real RT. KEEP=1 leaves it up.
demo:
	@deploy/demo/demo

# All tests; starts the servers that they need.
test: test-offline test-live

test-offline:
	@tests/servers/install
	cargo test --locked --lib --bins --test offline --test model

# They mostly wait for servers, so more of them run side by side than there are cores.
LIVE := tests/servers/with-servers cargo test --locked --test live -- --test-threads 4
live-ready:
	@tests/servers/install postgresql rt5-db-postgresql
	cargo test --locked --test live --no-run
test-live: live-ready
	$(LIVE)

# The live tests on the RabbitMQ 4 of Debian 13, in a root directory of its own.
RABBITMQ_4 := target/debian-trixie-rabbitmq
test-rabbitmq-4: live-ready
	@tests/servers/debian-root $(RABBITMQ_4) trixie rabbitmq-server
	RELAY_LAB_RABBITMQ_ROOT=$(RABBITMQ_4) $(LIVE)

# The same on the RT of Debian 13.
RT_DEBIAN_13 := target/debian-trixie-rt
test-rt-debian-13: live-ready
	@tests/servers/debian-root $(RT_DEBIAN_13) trixie request-tracker5 rt5-db-sqlite rt5-db-postgresql starman
	RELAY_LAB_RT_ROOT=$(RT_DEBIAN_13) $(LIVE)

# On an RT that speaks French, as do its service users.
test-rt-french: live-ready
	RELAY_LAB_RT_LANG=fr_FR.UTF-8 $(LIVE)

# On an RT with another name and port than those it is reached by.
test-rt-proxied: live-ready
	RELAY_LAB_RT_WEB=rt.example:8443 $(LIVE)

# The faults in their long form, half an hour, with a table; ONLY=word: those whose name has it.
faults:
	@tests/servers/install postgresql rt5-db-postgresql
	cargo test --locked --test faults --no-run
	tests/servers/with-servers cargo test --locked --test faults

# Looks for SECONDS with each target for what breaks the relay; see tests/fuzz/README.md.
SECONDS ?= 60
FUZZ := RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none
FUZZ_FOR = -dict=tests/fuzz/json.dict -max_len=16384 -timeout=10 -max_total_time=$(SECONDS)
fuzz:
	@tests/servers/install g++
	@command -v cargo-fuzz >/dev/null || cargo install --locked --version 0.13.2 cargo-fuzz
	@mkdir -p tests/fuzz/found/{alert,rt_answer,frames}
	$(FUZZ) alert tests/fuzz/{found,corpus}/alert tests/fixtures/alerts -- $(FUZZ_FOR)
	$(FUZZ) rt_answer tests/fuzz/{found,corpus}/rt_answer tests/fixtures/rt -- $(FUZZ_FOR)
	$(FUZZ) frames tests/fuzz/{found,corpus}/frames -- $(FUZZ_FOR)

lint: tools
	cargo fmt --all --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	cargo machete
	cargo deny check bans licenses sources
	@# The advisory database is fetched; without a way to it the check cannot be made.
	@if cargo deny fetch db >/dev/null 2>&1; then cargo deny check advisories; \
	  else echo "advisories: NOT checked, their database cannot be fetched"; fi

# The tools of `lint`, at the versions that pass.
tools:
	@tests/servers/install
	@command -v cargo-machete >/dev/null || cargo install --locked --version 0.9.2 cargo-machete
	@command -v cargo-deny >/dev/null || cargo install --locked --debug --version 0.20.2 cargo-deny

# What is in deploy/, by the tools of those it is for: systemd, Kubernetes, ...
deploy-check:
	@deploy/check

# docker-compose.yml from nothing to nothing, in Docker, as root; COMPOSE=docker-compose: by that one.
compose-test:
	@tests/compose/run

# Each example of deploy/publishers against a real broker.
publishers-test:
	@deploy/publishers/test

# The Debian package: target/debian/rtir-relay_VERSION-1_ARCHITECTURE.deb.
deb:
	@deploy/debian/build

# Builds it, and installs, upgrades, removes and purges it in a root directory of its own.
deb-test:
	@deploy/debian/test

# What the program is made of, by Cargo.lock, as CycloneDX: target/rtir-relay.cdx.json.
sbom:
	@deploy/sbom

# What the relay costs and how fast it is, in target/bench; see tests/bench/README.md. COMPARE=FILE: beside an earlier run;
# RELAY=FILE: another relay than this tree's; ROUNDS=5; ONLY=word: those whose name has it; MILLION=1: as many alerts, too.
bench:
	@tests/bench/run instant

# What a real RT pays for a ticket.
bench-rt:
	@tests/bench/run real

# What the pure parts cost, and how that has changed since the last time.
bench-pure:
	cargo bench --locked --bench pure

# The first two once and briefly, to see that they work: no figures.
bench-smoke:
	@QUICK=1 tests/bench/run instant
	@QUICK=1 tests/bench/run real
