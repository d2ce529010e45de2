# Each target sets up what it needs; nothing is installed outside the environments named below.
#
#   make demo     processes killed with a shared lock, a queue between real threads, whole programs as guests of Unicorn
#   make test     the test suite
#   make stress   the long campaign
#   make differential N=200000    generated scripts, on a Manager and on the kernel
#   make kills N=10000    processes that are killed while they hold a shared lock or a permit, or wait for it
#   make fuzz SECONDS=60    three fuzzers for that long each: calls with hostile arguments, damaged arenas, damaged locks (clang)
#   make model    every state of the models of the protocols, and mutants that must be caught; needs spin
#   make judge    CPython's own tests of its locks, queues and pools, on ours: four minutes
#   make tsan     most tests that use threads, under the thread sanitizer
#   make tsan-free-threaded    the same without a GIL, in a Python that is itself instrumented: .ci/build-python makes both
#   make parallel    most tests, each in several threads at once; best without a GIL: PYTHON=python3.13t
#   make asan     the suite under the address, undefined behaviour and leak sanitizers
#   make checks   most tests in a build that asserts lock ownership and lock order and poisons finished waiters
#   make portable    the tests of one process, in a build without Linux's futexes: POSIX mutexes and conditions
#   make coverage    which lines of the compiled code the tests reach; a page of it in COVERAGE
#   make mutants    the lines that decide, each changed in turn: some test must fail; MUTANTS_ARGS=--every=10 takes a sample
#   make perturb N=8 SEED=1    stress in a build that delays threads between steps, under N seeds; prints the one that fails
#   make soak MINUTES=5    every operation in turns, beside threads that contend; fails if memory, descriptors or threads grow
#   make qiling   what runs on Qiling, with pyfutex and without: its tests, then the table of docs/qiling.md (Python 3.12)
#   make bench    the benchmarks; saves the run in RUNS, by default .benchmarks
#   make instructions    only the instruction counts, saved likewise; needs valgrind
#   make compare OLD=run.json NEW=run.json    what became worse; fails past a threshold
#   make dashboard    a page of all runs in RUNS
#   make docs     the site of the documentation, in SITE; any warning fails
#   make dist     an sdist, a wheel made from it, and what twine says of both; uploads nothing
#   make lint     ruff, cython-lint, mypy, stubtest, pyright
#   make clean    remove environments and caches
#
# Another interpreter:  make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
VENV_TSAN ?= .venv-tsan
VENV_TSAN_FREE ?= .venv-tsan-free
VENV_ASAN ?= .venv-asan
VENV_CHECKS ?= .venv-checks
VENV_PORTABLE ?= .venv-portable
VENV_COVERAGE ?= .venv-coverage
VENV_MUTANTS ?= .venv-mutants
VENV_PERTURB ?= .venv-perturb
# Of make tsan-free-threaded: an interpreter without a GIL, which builds, and its instrumented twin, which runs; their compiler.
PYTHON_FREE ?= python3.13t
PYTHON_TSAN ?= $(error make tsan-free-threaded needs PYTHON_TSAN=prefix/bin/python3.13t: see .ci/build-python)
CLANG ?= clang-19
VENV_DOCS ?= .venv-docs
SITE ?= build/site
# Qiling's newest release installs on Python 3.12 and older.
VENV_QILING ?= .venv-qiling
PYTHON_QILING ?= python3.12
# Factors on the rounds of every stress test.
STRESS ?= 20
TSAN_STRESS ?= 1
ASAN_STRESS ?= 0.2
CHECKS_STRESS ?= 0.2
PORTABLE_STRESS ?= 1
COVERAGE_STRESS ?= 0.1
COVERAGE ?= .coverage
MUTANTS_ARGS ?=
# What runs in a build that delays threads, and the first seed.
PERTURB_STRESS ?= 0.05
PERTURB_TESTS ?= tests/stress tests/hazards tests/native tests/sync/test_arena_stress.py tests/sync/test_event_stress.py \
	tests/sync/test_rwlock_stress.py tests/sync/test_semaphore_stress.py tests/sync/test_kills.py
SEED ?= 1
# Of the soak.
MINUTES ?= 5
# What runs in a checked build, and under the sanitizers.
CHECKS_TESTS ?= tests/unit tests/native tests/hazards tests/stress tests/capi tests/consumer tests/sync
PORTABLE_TESTS ?= tests/unit tests/stress tests/hazards tests/semantics tests/native tests/capi tests/property tests/aio
TSAN_FREE_TESTS ?= tests/stress tests/sync
PARALLEL_TESTS ?= tests/unit tests/hazards tests/capi tests/sync
# Threads that run each test of make parallel.
THREADS ?= 4
TSAN_TESTS ?= tests/stress tests/native tests/capi tests/sync tests/aio tests/awaitedwords
ASAN_TESTS ?= tests
# More arguments for the build of the package, and for those of the package and of tests/native.
PACKAGE_ARGS ?=
BUILD_ARGS ?=
# What is installed: this tree, or a wheel of it.
PACKAGE ?= .
# Scripts of the differential, and more arguments for it: --seed, --first. Kills of each kill campaign, and --workers, --seed, --pi.
N ?= 20000
DIFFERENTIAL_ARGS ?=
KILLS_ARGS ?=
# For each of the fuzzers, and more arguments: --only, --keep.
SECONDS ?= 60
FUZZ_ARGS ?=
# Arguments of the crash demo and of the queue demo.
CRASH_ARGS ?= --seconds 6
DEMO_ARGS ?=
# Arguments of the models: --quick, --only wake,growth, --jobs.
MODEL_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=
# Where runs are saved, and where the page of them goes. `make clean` leaves them.
RUNS ?= .benchmarks
DASHBOARD ?= $(RUNS)/dashboard.html
COMPARE_ARGS ?=

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.PHONY: demo test stress differential kills fuzz model judge tsan tsan-stock tsan-free-threaded tsan-twin asan asan-stock
.PHONY: parallel checks checked portable ported coverage covered mutants hunted perturb perturbed soak
.PHONY: qiling bench instructions compare dashboard docs documented dist lint clean

# The build must find the environment's meson, ninja and cython, whatever else is installed.
venv := $(abspath $(VENV))
in_venv = PATH="$(venv)/bin:$$PATH"
venv_qiling := $(abspath $(VENV_QILING))
in_qiling = PATH="$(venv_qiling)/bin:$$PATH"

files_of = $(shell find $(1) -type f -not -path '*/__pycache__/*')
package_files := meson.build pyproject.toml README.md LICENSE $(wildcard meson.options) $(call files_of,src)
# Where the newest release has no wheel for an interpreter without a GIL, an older one that has is taken.
pip := python -m pip install --quiet --prefer-binary
pip_build := $(pip) --no-build-isolation --no-deps --force-reinstall
coverage_build := -Csetup-args=-Db_coverage=true -Csetup-args=-Dline_directives=true -Csetup-args=-Dbuildtype=debug
comma := ,
sanitizing = -Csetup-args=-Db_sanitize=$(1) -Csetup-args=-Db_lundef=false -Csetup-args=-Dbuildtype=debugoptimized
in_pyx_lines := -Csetup-args=-Dline_directives=true
# Tests that a kind of run leaves out; its file says why.
left_out = $$(sed -n 's/^\(tests[^ ]*\).*/--deselect=\1/p' .ci/left-out/$(1))
# Whole files, which cannot even be imported there.
not_read = $$(sed -n 's/^\(tests[^ :]*\)$$/--ignore=\1/p' .ci/left-out/$(1))

demo: $(venv)/.package $(venv)/.group-demo $(venv)/.group-guest
	@$(in_venv) python -m pyfutex demo crash $(CRASH_ARGS)
	@echo
	@$(in_venv) python -m pyfutex demo queue $(DEMO_ARGS)
	@echo
	@$(in_venv) python examples/unicorn_guest --demo

test: $(venv)/.tests-native $(addprefix $(venv)/.group-,test demo guest loops clusters dashboards)
	$(in_venv) python -m pytest $(TEST_ARGS)

stress: $(venv)/.tests-native $(venv)/.group-test $(venv)/.group-loops
	$(in_venv) PYFUTEX_STRESS=$(STRESS) python -m pytest tests/stress tests/aio/test_aio_races.py $(TEST_ARGS)

differential: $(venv)/.tests-native $(venv)/.group-test
	@$(in_venv) PYTHONPATH=tests python -m differential.campaign $(N) $(DIFFERENTIAL_ARGS)

kills: $(venv)/.package $(venv)/.group-test
	@$(in_venv) PYTHONPATH=tests python -m sync.kills $(N) $(KILLS_ARGS)
	@$(in_venv) PYTHONPATH=tests python -m sync.permitkills $(N) $(KILLS_ARGS)

fuzz: $(venv)/.package $(venv)/.group-test $(venv)/.group-fuzz
	@$(in_venv) PYTHONPATH=tests python -m fuzz.campaign $(SECONDS) $(FUZZ_ARGS)

model:
	@$(PYTHON) -m models $(MODEL_ARGS)

judge: $(venv)/.package $(venv)/.group-test
	@cd tests && $(in_venv) python -m sync.judged

checks:
	@$(MAKE) --no-print-directory checked VENV=$(VENV_CHECKS) PACKAGE_ARGS=-Csetup-args=-Dchecks=true

checked: $(venv)/.tests-native $(venv)/.group-test
	@$(in_venv) python -c 'from pyfutex_native.violations import CHECKED; assert CHECKED, "built without -Dchecks=true"'
	$(in_venv) PYFUTEX_STRESS=$(CHECKS_STRESS) python -m pytest $(CHECKS_TESTS) $(TEST_ARGS)

portable:
	@$(MAKE) --no-print-directory ported VENV=$(VENV_PORTABLE) \
	    PACKAGE_ARGS="-Csetup-args=-Dparking=pthread -Csetup-args=-Dkernel=disabled"

ported: $(venv)/.tests-native $(venv)/.group-test $(venv)/.group-loops
	@$(in_venv) python -c 'from pyfutex import _buildoptions as built; assert (built.PARKING, built.KERNEL) == ("pthread", False)'
	$(in_venv) PYFUTEX_STRESS=$(PORTABLE_STRESS) python -m pytest $(PORTABLE_TESTS) $(call not_read,portable) $(call left_out,portable) \
	    $(TEST_ARGS)

coverage:
	@$(MAKE) --no-print-directory covered VENV=$(VENV_COVERAGE) PACKAGE_ARGS="$(coverage_build)"

# What a process did that was killed is not counted; if it was killed as it wrote its counts down, nothing more is counted of that
# file, which gcov-errors says then. gcovr has to find all files that the compiler was told
# of: ours from the directory of the build, and what Cython calls its own.
covered: $(venv)/.tests-native $(venv)/.group-test $(venv)/.group-coverage
	@find $(venv)/build -name '*.gcda' -delete
	@$(CC) -shared -fPIC -Wall -o $(venv)/counted.so .ci/counted.c
	$(in_venv) LD_PRELOAD=$(venv)/counted.so GCOV_ERROR_FILE=$(venv)/gcov-errors PYFUTEX_STRESS=$(COVERAGE_STRESS) python -m pytest $(TEST_ARGS)
	@ln -sfn $(CURDIR)/src/pyfutex $(venv)/build/package/pyfutex
	@cd $(venv)/build/package && touch cython_utility '(tree fragment)' '<stringsource>'
	@mkdir -p $(COVERAGE)
	@$(in_venv) gcovr --root $(venv)/build/package --filter $(venv)/build/package/pyfutex/ --filter src/pyfutex/ \
	    --include-internal-functions --gcov-ignore-parse-errors \
	    --merge-mode-functions=separate --exclude-throw-branches \
	    --html-details $(COVERAGE)/index.html --txt --print-summary $(venv)/build/package

# All mutants are in one build, of a copy.
mutants:
	@$(MAKE) --no-print-directory hunted VENV=$(VENV_MUTANTS)

hunted: $(venv)/.group-build $(venv)/.group-test
	@$(in_venv) PYTHONPATH=tests python -m mutation.plant $(venv)/mutants
	@echo "building them"
	@$(in_venv) $(pip_build) -Cbuild-dir=$(venv)/build/package $(venv)/mutants
	@$(in_venv) $(pip_build) -Cbuild-dir=$(venv)/build/tests $(venv)/mutants/tests/native
	@$(in_venv) PYTHONPATH=tests python -m mutation.hunt $(venv)/mutants $(MUTANTS_ARGS)

soak: $(venv)/.package $(venv)/.group-test
	@$(in_venv) PYTHONPATH=tests python -m resources.soak --minutes $(MINUTES)

perturb: N = 8
perturb:
	@$(MAKE) --no-print-directory perturbed N=$(N) VENV=$(VENV_PERTURB) PACKAGE_ARGS="-Csetup-args=-Dchecks=true -Csetup-args=-Dperturb=true"

perturbed: $(venv)/.tests-native $(venv)/.group-test
	@$(in_venv) PYTHONPATH=tests PYFUTEX_STRESS=$(PERTURB_STRESS) python -m perturbing $(N) --seed $(SEED) $(PERTURB_TESTS) $(TEST_ARGS)

# The sanitizers work on a stock interpreter. The thread sanitizer sees there the sections that run without the GIL, where the
# engine lives. pytest leaves descriptor 2 alone, on which a report appears before it ends the process.
tsan:
	@$(MAKE) --no-print-directory tsan-stock VENV=$(VENV_TSAN) BUILD_ARGS="$(call sanitizing,thread)" PACKAGE_ARGS=$(in_pyx_lines)

tsan-stock: $(venv)/.tests-native $(venv)/.group-test
	$(in_venv) PYFUTEX_STRESS=$(TSAN_STRESS) .ci/under thread \
	    python -m pytest $(TSAN_TESTS) $(call left_out,tsan) --capture=sys -x $(TEST_ARGS)

tsan-free-threaded:
	@test -x "$(PYTHON_TSAN)" || { echo "make tsan-free-threaded: no $(PYTHON_TSAN)" >&2; exit 1; }
	@$(MAKE) --no-print-directory tsan-twin VENV=$(VENV_TSAN_FREE) PYTHON=$(PYTHON_FREE) CC=$(CLANG) \
	    BUILD_ARGS="$(call sanitizing,thread)" PACKAGE_ARGS=$(in_pyx_lines)

# The plain interpreter builds, since the instrumented one takes ten times as long; that one runs what was built.
tsan-twin: $(venv)/.tests-native $(venv)/.group-test
	@$(PYTHON_TSAN) -m venv --without-pip $(venv)/twin
	@$(in_venv) python -c 'import site; print(*site.getsitepackages())' >"$$(echo $(venv)/twin/lib/python*/site-packages)/plain.pth"
	PYFUTEX_STRESS=$(TSAN_STRESS) PYTHONDONTWRITEBYTECODE=1 .ci/under instrumented $(venv)/twin/bin/python -m pytest \
	    $(TSAN_FREE_TESTS) $(call left_out,tsan) $(call left_out,tsan-free-threaded) --capture=sys -x $(TEST_ARGS)

# In several threads at once, each with fixtures of its own.
parallel: $(venv)/.tests-native $(venv)/.group-parallel
	$(in_venv) PYTHONPATH=tests python -m pytest -p setapart --parallel-threads=$(THREADS) $(PARALLEL_TESTS) \
	    $(call left_out,parallel) $(TEST_ARGS)

asan:
	@$(MAKE) --no-print-directory asan-stock VENV=$(VENV_ASAN) PACKAGE_ARGS=$(in_pyx_lines) \
	    BUILD_ARGS="$(call sanitizing,address$(comma)undefined) -Csetup-args=-Dc_args=-fno-sanitize-recover=all"

asan-stock: $(venv)/.tests-native $(venv)/.group-test $(venv)/.group-guest
	$(in_venv) PYFUTEX_STRESS=$(ASAN_STRESS) .ci/under address \
	    python -m pytest $(ASAN_TESTS) $(call left_out,asan) --capture=sys -x $(TEST_ARGS)

# Programs are compiled with whatever of gcc, musl-gcc and Debian's ARM and MIPS compilers is there.
qiling: $(venv_qiling)/.package
	$(in_qiling) python -m pytest tests/integrations $(TEST_ARGS)
	@$(in_qiling) python -m pyfutex.sidebyside.table examples/qiling

save_run := --benchmark-autosave --benchmark-storage=file://$(RUNS)
in_bench = $(in_venv) PYTHONPATH=bench

bench: $(venv)/.bench-native $(venv)/.group-bench $(venv)/.group-peers
	$(in_venv) python -m pytest bench $(save_run) $(BENCH_ARGS)

instructions: $(venv)/.bench-native $(venv)/.group-bench
	$(in_venv) python -m pytest bench/test_instructions.py $(save_run) $(BENCH_ARGS)

compare: $(venv)/.made
	@$(in_bench) python -m dashboard.compare $(OLD) $(NEW) $(COMPARE_ARGS)

dashboard: $(venv)/.group-dashboards
	@$(in_bench) python -m dashboard $(RUNS) --output $(DASHBOARD)

docs:
	@$(MAKE) --no-print-directory documented VENV=$(VENV_DOCS)

documented: $(venv)/.package $(venv)/.group-docs
	$(in_venv) python -m sphinx --fail-on-warning --keep-going --quiet --fresh-env --write-all -d $(SITE)-parsed docs $(SITE)
	@echo "$(SITE)/index.html"

dist: $(venv)/.group-dist
	@rm -rf dist
	$(in_venv) python -m build --quiet
	$(in_venv) python -m twine check --strict dist/*

lint: $(venv)/.package $(venv)/.group-lint $(venv)/.group-loops
	$(in_venv) ruff check .
	$(in_venv) ruff format --check .
	$(in_venv) cython-lint src tests bench
	$(in_venv) mypy
	$(in_venv) stubtest --mypy-config-file pyproject.toml --allowlist .ci/stubtest-allowlist pyfutex
	$(in_venv) pyright

clean:
	rm -rf $(venv) $(VENV_TSAN) $(VENV_TSAN_FREE) $(VENV_ASAN) $(VENV_CHECKS) $(VENV_PORTABLE) $(VENV_COVERAGE) $(VENV_MUTANTS) $(VENV_PERTURB) $(VENV_DOCS)
	rm -rf $(COVERAGE) $(venv_qiling) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# Environments. A stamp inside says what one already holds.
$(venv)/.made:
	@echo "making $(@D)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pyfutex needs Python 3.11 or later")'
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/$(pip) --upgrade 'pip>=25.1'
	@touch $@

$(venv)/.group-%: $(venv)/.made pyproject.toml
	@echo "installing what pyproject.toml lists under '$*'"
	@$(in_venv) $(pip) --group $*
	@touch $@

# Where something has no wheel and cannot be built, it is left out, and what needs it says so. All at once is quicker.
one_by_one = import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["$(1)"], sep="\n")
$(addprefix $(venv)/.group-,guest loops clusters dashboards fuzz peers): group = $(@F:.group-%=%)
$(addprefix $(venv)/.group-,guest loops clusters dashboards fuzz peers): $(venv)/.made pyproject.toml
	@echo "installing what pyproject.toml lists under '$(group)'"
	@$(in_venv) $(pip) --group $(group) 2>/dev/null || $(in_venv) python -c '$(call one_by_one,$(group))' | \
	    while IFS= read -r wanted; do \
	        $(in_venv) $(pip) "$$wanted" </dev/null || echo "no $$wanted for this Python: what needs it is left out"; \
	    done
	@touch $@

# The package, and the Cython modules that the tests and the benchmarks build against the installed package.
# The stamp bears the time when the build began, so that an edit made meanwhile is built the next time.
$(venv)/.package: $(venv)/.group-build $(package_files)
	@echo "building pyfutex: a minute or more the first time, then what has changed"
	@touch $@.begun
	@$(in_venv) $(pip_build) $(BUILD_ARGS) $(PACKAGE_ARGS) -Cbuild-dir=$(@D)/build/package $(PACKAGE)
	@mv $@.begun $@

$(venv)/.tests-native: $(venv)/.package $(call files_of,tests/native)
	@echo "building tests/native"
	@touch $@.begun
	@$(in_venv) $(pip_build) $(BUILD_ARGS) -Cbuild-dir=$(@D)/build/tests ./tests/native
	@mv $@.begun $@

$(venv)/.bench-native: $(venv)/.package $(call files_of,bench/native)
	@echo "building bench/native"
	@touch $@.begun
	@$(in_venv) $(pip_build) -Cbuild-dir=$(@D)/build/bench ./bench/native
	@mv $@.begun $@

$(venv_qiling)/.package: $(package_files)
	@command -v $(PYTHON_QILING) >/dev/null || { echo "make qiling: no $(PYTHON_QILING), which Qiling needs" >&2; exit 1; }
	@echo "making $(@D)"
	@$(PYTHON_QILING) -m venv $(@D)
	@$(@D)/bin/$(pip) --upgrade 'pip>=25.1'
	@$(in_qiling) $(pip) --group build --group test 'qiling==1.4.6'
	@$(in_qiling) $(pip_build) -Cbuild-dir=$(@D)/build/package .
	@touch $@
