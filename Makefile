# make             build/release/moongate
# make help        every task
BUILD   ?= release
PREFIX  ?= /usr/local
VERSION ?= 0.1.0
B     := build/$(BUILD)
O     := $B/obj
GEN   := build/gen
TOOLS ?= build/tools

PKGS := lua5.4 libprotobuf-c libnghttp2 libevent_pthreads openssl libcurl rdkafka libnats sqlite3 zlib yaml-0.1
# Without the packages only the tasks that install them can run.
ifneq ($(shell pkg-config --exists $(PKGS) 2>/dev/null && echo yes),yes)
NEEDS := deps-hint
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
        -Wwrite-strings -Wformat=2 -Wno-unknown-warning-option -Wno-format-truncation -Wundef -Wvla -Werror
OPT_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
OPT_debug   := -O0 -g3
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan    := -O1 -g -fsanitize=thread
OPT_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
OPT_cover   := -O0 -g --coverage
OPT := $(or $(OPT_$(BUILD)),$(error unknown BUILD=$(BUILD)))
ifeq ($(BUILD),fuzz)
CC := clang
endif
ifeq ($(BUILD),tsan)
THREADS := $O/spec/support/tsan_threads.o
endif

override CPPFLAGS += -Igateway -I$(GEN) $(shell pkg-config --cflags $(PKGS) 2>/dev/null) -D_GNU_SOURCE \
                     -DGW_VERSION='"$(VERSION)"' -DGW_DATADIR='"$(PREFIX)/share/moongate"'
override CFLAGS   += -std=c11 $(WARN) $(OPT) -pthread
override LDFLAGS  += $(OPT)
LDLIBS            += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -lpthread

SRC   := $(filter-out gateway/main.c,$(wildcard gateway/*/*.c))
PROTO := $(shell find proto -name '*.proto')
PB    := $(patsubst proto/%.proto,$(GEN)/%.pb-c,$(PROTO))
OBJ   := $(SRC:%.c=$O/%.o) $(PB:$(GEN)/%=$O/gen/%.o) $O/gen/schema_tables.o
TEST  := $(patsubst %.c,$O/%.o,$(wildcard spec/unit/*/*_test.c))
ifeq ($(BUILD),tsan)
# What one thread does alone shows nothing there, and takes ten times as long.
ALONE := $(addprefix $O/spec/unit/,event/% flyte/% config/% base/json% base/yaml% base/gzip% log/recover% \
           log/scan% pipeline/outbox% hook/style_test.o publish/oracle% publish/flyteadmin_test.o)
TEST  := $(filter-out $(ALONE),$(TEST))
endif
FUZZ  := $(patsubst spec/fuzz/%.c,$B/%,$(wildcard spec/fuzz/*_fuzz.c))
HAND  := $(wildcard gateway/*.[ch] gateway/*/*.[ch] spec/unit/*.[ch] spec/unit/*/*.[ch] spec/fuzz/*.c spec/fault/*.c spec/support/*.c spec/bench/*.[ch] spec/lua/*.c spec/judges/*.c)

.PHONY: all deps-hint unit lua-test fuzz-build fmt fmt-check clean
.PHONY: help lib meta test-judges hostile deps test-deps demo demo-run test test-run fault fuzz bench lint install shims fault-build
.DELETE_ON_ERROR:
.SECONDARY:

all: $B/moongate              ## the gateway, build/release/moongate (BUILD=debug asan tsan …)
lib: $B/libmoongate.a
help:                         ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
deps-hint:
	@echo "Some packages are missing: run 'make deps' first (as root, or with sudo)." >&2; exit 1

$B/moongate: $O/gateway/main.o $(THREADS) $B/libmoongate.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$B/libmoongate.a: $(OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

# The .proto files are the schema as it is. proto/gen.lua writes them anew for protobuf-c (strings
# as bytes, maps as repeated entries: the same on the wire) and makes flyte's tables of what was
# a string or a map, of JSON names, and of the file descriptors for server reflection.
$(GEN)/stamp: $(PROTO) proto/gen.lua proto/meta.lua | $(NEEDS)
	@mkdir -p $(GEN)
	lua5.4 proto/gen.lua proto $(GEN) $(PROTO)
	@touch $@
$(PB:%=%.c) $(PB:%=%.h) $(GEN)/schema_tables.c: $(GEN)/stamp ;
$O/gen/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -w -MMD -MP -c -o $@ $<
$O/%.o: %.c $(GEN)/stamp
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

meta: $(GEN)/stamp             ## what editors know of Flyte's messages, anew from proto/
	cp $(GEN)/meta_flyte.lua lua/moongate/meta_flyte.lua

# make unit T=arena runs the tests whose names hold "arena".
unit: $B/unit
	$B/unit $(T)
$B/unit: $(THREADS) $O/spec/unit/main.o $O/all_tests.o $(TEST) $B/libmoongate.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$O/all_tests.c: $(TEST) spec/unit/gen.sh
	spec/unit/gen.sh $(TEST) > $@
$O/all_tests.o: $O/all_tests.c
	$(CC) $(CFLAGS) -c -o $@ $<
$O/spec/%.o: override CPPFLAGS += -Ispec/unit

lua-test: $B/lua_spec $B/moongate ## the specs of hooks, shipped modules and scripts
	$B/lua_spec $(wildcard spec/lua/*_spec.lua)
	$B/moongate test scripts lua
$B/lua_spec: $O/spec/lua/run.o $B/libmoongate.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

fuzz-build: $(FUZZ)
$B/grammar_fuzz: $O/spec/fuzz/grammar.o
$(FUZZ): $B/%: $O/spec/fuzz/%.o $B/libmoongate.a
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

# ---- what people run -----------------------------------------------------------------------------
# A task that installs packages starts make anew: pkg-config is asked while the Makefile is read.
AGAIN = @$(MAKE) --no-print-directory -s -j$(JOBS)
JOBS ?= $(shell nproc)

deps:                         ## install the Debian packages to build with (as root)
	@spec/deps build
test-deps:                    ## install what the tests need: packages, and into TOOLS=build/tools
	@spec/deps build test
	@spec/deps tools $(TOOLS)

demo: deps                    ## see real events go in and CloudEvents come out
	$(AGAIN) demo-run
demo-run: all
	@spec/demo/run

test: test-deps               ## every test; the last line has the counts
	$(AGAIN) test-run
test-run:
	@JOBS=$(JOBS) TOOLS=$(TOOLS) spec/run $(SUITES)
test-judges: $B/moongate $B/judge ## what others' tools and libraries say: make test-judges COUNT=100000 SEED=7
	@COUNT='$(COUNT)' SEED='$(SEED)' spec/judges/run $(TOOLS) $B
$B/judge: $O/spec/judges/flyteadmin.o $B/libmoongate.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
SHIMS := slowsync badisk powercut mallocs
shims: $(SHIMS:%=$B/%.so)
fault: fault-build            ## kill -9 at random instants: make fault KILLS=500 SEED=7
	@KILLS=$(or $(KILLS),200) PROGRESS=/proc/$$$$/fd/2 TOOLS=$(TOOLS) spec/run fault
fault-build: $B/moongate $B/load shims
fuzz:                         ## every fuzz target: make fuzz SECONDS=60
	@FUZZ_SECONDS=$(or $(SECONDS),30) JOBS=$(JOBS) spec/run fuzz
hostile: $B/unit              ## every hostile script with 10⁹ instructions and 1 GiB: minutes
	HOSTILE=all $B/unit test_guard_stops_hostile_scripts_with_a_gigabyte
bench:                        ## our figures beside the baselines' (spec/bench/README.md)
	@spec/deps build bench
	$(AGAIN) bench-build
	spec/bench/run $(BENCH)
.PHONY: bench-build
bench-build: $B/moongate $(patsubst spec/bench/%.c,$B/%,$(wildcard spec/bench/*.c))
$B/%: $O/spec/bench/%.o $B/libmoongate.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lhttp_parser
$B/load: $O/spec/fault/load.o $B/libmoongate.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$B/%.so: spec/fault/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(WARN) -D_GNU_SOURCE -O1 -g -fPIC -shared -o $@ $< -ldl

lint:                         ## formatting, clang-tidy, cppcheck, luacheck, our own rules, gcc and clang
	@spec/deps build lint
	@JOBS=$(JOBS) PKG_CFLAGS='$(shell pkg-config --cflags $(PKGS))' spec/lint

install: $B/moongate          ## make install PREFIX=/usr DESTDIR=…
	install -D -m 755 $B/moongate $(DESTDIR)$(PREFIX)/bin/moongate
	set -e; for f in $$(find lua/moongate scripts -type f); do \
	  install -D -m 644 $$f $(DESTDIR)$(PREFIX)/share/moongate/$$f; done

fmt:
	clang-format -i $(HAND)
fmt-check:
	clang-format --dry-run -Werror $(HAND)
clean:
	rm -rf build

-include $(OBJ:.o=.d) $(TEST:.o=.d) $O/gateway/main.d $(wildcard $O/spec/*/*.d)
