# SPDX-License-Identifier: LGPL-2.1-or-later
# GNU make. `make help` lists the targets. Everything is built under $(B).
B            ?= build
PREFIX       ?= /usr
SYSCONFDIR   ?= /etc
LIBEXECDIR   ?= $(PREFIX)/libexec/sshbay
VERSION      := 0.1.0
CC           ?= gcc
PKGS_SESSION := libssh libcrypto libseccomp
PKGS_DAEMON  := libnl-3.0 libnl-route-3.0 libcrypto libsystemd libseccomp
PKGS_CLI     := json-c

WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
          -Wformat=2 -Wvla -Wundef -Wno-unused-parameter -Wimplicit-fallthrough
HARD   := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LDHARD := -pie -Wl,-z,relro,-z,now
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) $(HARD) $(CFLAGS) $(EXTRA_CFLAGS) -MD -MP -idirafter provision \
          -DSSHBAY_VERSION='"$(VERSION)"' -DSSHBAY_LIBEXEC='"$(LIBEXECDIR)"' -DSSHBAY_SYSCONF='"$(SYSCONFDIR)/sshbay"'
Q = $(if $(V),,@)

# --- sources, by library (arrows of ARCHITECTURE.md: each may use only what stands above it) ---
BASE_SRC     := err fd log num ip str text path path_remove trusted clk proc fault
PROTO_SRC    := msg msg_io msg_doc gate asker ctl disconnect init work admin x11
CONF_SRC     := match key_options keys krl conf conf_file schema schema_type schema_word schema_net schema_device schema_dataplane \
                schema_doc methods host_user settings settings_check settings_attach settings_auth settings_dump
RECORD_SRC   := record record_text
AUTH_SRC     := auth hostkey hostkeys verify verify_webauthn auth_permit cert
WORK_SRC     := plan image devices ns ns_child ns_init ns_talk rootfs rootfs_enter rootfs_mask limits limits_cpu limits_group \
                limits_v2 filter net net_bridge net_guard net_host net_nft net_hosts net_listen netns netif netif_bridge netif_link netif_msg netif_raw netif_vf \
                ethtool ethtool_offload ethtool_steer nic nic_vf nic_setup nic_home nic_restore nic_identify nic_find nic_altname nic_note quarantine given given_enter given_left rootfs_place limits_device \
                rdma rdma_find rdma_netlink \
                vfio nic_vfio hugepages gpu gpu_nvidia gpu_drm gpu_cdi gpu_busy gpu_give gpu_hook gpu_note gpu_lease cdi cdi_yaml cdi_load numa \
                disk disk_image disk_loop disk_quota disk_mark
DAEMON_SRC   := main daemon teardown hostnet harden helper statedir registry workspace allocate allocate_nic jobs operate operate_lease \
                operate_nic reconcile reconcile_bridge reconcile_gpu watch worker worker_run recover recover_init recover_orphan gate_server gate_open gate_auth gate_key gate_password \
                gate_interactive gate_job keys_command gate_attach gate_channel gate_leave gate_revoke gate_jump jump \
                motd ctl_server ctl_look admin_sources admin_server admin_client admin_rows admin_explain admin_hosts admin_nic admin_gpu admin_operate admin_recover login_name \
                admin_sessions audit sessions allocate_gpu allocate_direct allocate_rdma gate_audit
CLI_SRC      := main verbs talk fields grid list nic image explain ssh_config sessions penalties operate enter inside finding pair \
                pair_facts pair_judge bench bench_rdma bench_result bench_print manifest proxy check doctor doctor_bridge doctor_kernel \
                doctor_host gpu doctor_gpu doctor_direct doctor_rdma doctor_disk space
INIT_SRC     := main agent conn job job_helper passwd etc user home become spawn env pty modes login dial listen private_dir \
                agent_sock display served rc resolve setup
LISTENER_SRC := main accept admission penalty judge children control zygote refuse sandbox
SESSION_SRC  := main zygote sandbox selftest interpose lens lens_rewrite rekey readahead blob loop idle transport rpc login \
                kbdint permit attach chan request misbehave env outbox spawn forward refusal global jump remote served pump

# --- what is built ---
BIN   := $(B)/bin
PROGS := $(addprefix $(BIN)/,sshd-gate sshd-gate-session provisiond ws-init sshbay-pam sshbay)
objs   = $(addprefix $(B)/obj/$(1)/,$(addsuffix .o,$(2)))
BASE_OBJ     := $(call objs,provision/base,$(BASE_SRC))
PROTO_OBJ    := $(call objs,provision/proto,$(PROTO_SRC))
CONF_OBJ     := $(call objs,provision,$(CONF_SRC))
RECORD_OBJ   := $(call objs,provision,$(RECORD_SRC))
AUTH_OBJ     := $(call objs,provision,$(AUTH_SRC))
WORK_OBJ     := $(call objs,provision,$(WORK_SRC))
DAEMON_OBJ   := $(call objs,provision,$(DAEMON_SRC))
CLI_OBJ      := $(call objs,provision/cli,$(CLI_SRC))
INIT_OBJ     := $(call objs,provision/init,$(INIT_SRC))
PAM_OBJ      := $(call objs,provision/pam,main)
LISTENER_OBJ := $(call objs,sshd-gate/listener,$(LISTENER_SRC))
SESSION_OBJ  := $(call objs,sshd-gate/session,$(SESSION_SRC))
LIBNAMES     := base proto conf record auth work daemon cli init listener session
# main.o stays out of the libraries, so that tests can link them.
$(foreach l,$(LIBNAMES),$(eval U := $(shell echo $(l) | tr a-z A-Z))\
  $(eval $(B)/lib/libsb$(l).a: $(filter-out %/main.o,$($(U)_OBJ))))
lib    = $(addprefix $(B)/lib/libsb,$(addsuffix .a,$(1)))
pkg    = $(shell pkg-config --libs $(1))
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS_SESSION) $(PKGS_DAEMON) $(PKGS_CLI) 2>/dev/null)
INIPARSER  := -liniparser -lcrypt
CGROUP     := -lcgroup -lyaml

.DEFAULT_GOAL := all
.PHONY: all
all: $(PROGS) $(BIN)/sftp/sftp-server ## the programs, under build/bin
	@:

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC  $<")
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -c -o $@ $<
$(B)/lib/%.a:
	@mkdir -p $(@D); rm -f $@
	$(Q)$(AR) rcs $@ $^
link = @mkdir -p $(@D); $(if $(V),,echo "  LD  $@";) $(CC) $(CFLAGS) $(EXTRA_CFLAGS) $(EXTRA_LDFLAGS)

$(BIN)/sshd-gate: $(filter %/main.o,$(LISTENER_OBJ)) $(call lib,listener proto base)
	$(link) $(LDHARD) -o $@ $^ $(call pkg,libseccomp)
$(BIN)/sshd-gate-session: $(filter %/main.o,$(SESSION_OBJ)) $(call lib,session proto base)
	$(link) $(LDHARD) -rdynamic -o $@ $^ $(call pkg,$(PKGS_SESSION))
$(BIN)/provisiond: $(filter %/main.o,$(DAEMON_OBJ)) $(call lib,daemon work auth record conf proto base)
	$(link) $(LDHARD) -o $@ $^ $(call pkg,$(PKGS_DAEMON) json-c) $(CGROUP) $(INIPARSER)
$(BIN)/sshbay: $(filter %/main.o,$(CLI_OBJ)) $(call lib,cli work record conf proto base)
	$(link) $(LDHARD) -o $@ $^ $(call pkg,$(PKGS_CLI) $(PKGS_DAEMON)) $(CGROUP) $(INIPARSER)
$(BIN)/ws-init: $(filter %/main.o,$(INIT_OBJ)) $(call lib,init proto base)
	$(link) $(INIT_LDFLAGS) -o $@ $^
INIT_LDFLAGS ?= -static -no-pie -Wl,--gc-sections
$(BIN)/sshbay-pam: $(PAM_OBJ) $(call lib,proto base)
	$(link) $(LDHARD) -o $@ $^ -lpam
$(BIN)/sftp/sftp-server: scripts/bundle-sftp
	$(Q)scripts/bundle-sftp $(@D)

# --- tests ---
UNIT_SRC  := $(sort $(wildcard tests/unit/test_*.c))
UNIT      := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
NETNS_BIN := $(patsubst tests/netns/%.c,$(B)/netns/%,$(sort $(wildcard tests/netns/*.c)))
BENCH_BIN := $(patsubst tests/bench/%.c,$(B)/bench/%,$(sort $(wildcard tests/bench/*.c)))
FUZZ_BIN  := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_PROTOCOL_SRC := $(addprefix tests/fuzz/protocol/,main wire grammar peers target)
DAEMON_LIBS = -Wl,--start-group $(call lib,daemon cli work auth record conf) -Wl,--end-group $(call lib,proto base)
ALL_LIBS    = $(call pkg,$(PKGS_DAEMON) $(PKGS_CLI)) $(CGROUP) $(INIPARSER)
# Libraries a test links instead of provisiond's, by the prefix of its name.
test_libs = $(if $(findstring session,$(1)),$(call lib,session proto base),$(if $(findstring init,$(1))$(findstring x11,$(1)),\
  $(call lib,init proto base),$(if $(filter test_admission% test_penalty% test_refuse% test_children% test_listener% fuzz_penalty%,$(1)),\
  $(call lib,listener proto base),$(DAEMON_LIBS))))
ALL_LIB_FILES = $(call lib,$(LIBNAMES))
$(B)/unit/% $(B)/netns/% $(B)/bench/%: private TEST_PKGS = $(if $(findstring session,$*),$(PKGS_SESSION),libcrypto)
$(B)/unit/%: tests/unit/%.c $(ALL_LIB_FILES)
	$(link) $(ALL_CFLAGS) -Itests -I. $(PKG_CFLAGS) $(LDHARD) -MF $@.d -o $@ $< $(call test_libs,$*) -lcmocka \
	  $(call pkg,$(TEST_PKGS) libseccomp) $(if $(findstring session,$*),,$(ALL_LIBS))
$(B)/netns/%: tests/netns/%.c $(ALL_LIB_FILES)
	$(link) $(ALL_CFLAGS) -Itests -I. $(PKG_CFLAGS) $(LDHARD) -MF $@.d -o $@ $< $(call test_libs,$*) \
	  $(call pkg,$(TEST_PKGS) libseccomp) $(if $(findstring session,$*),,$(ALL_LIBS))
$(B)/bench/%: tests/bench/%.c $(ALL_LIB_FILES)
	$(link) $(ALL_CFLAGS) -Itests -I. $(PKG_CFLAGS) $(LDHARD) -MF $@.d -o $@ $< $(call test_libs,$*) \
	  $(call pkg,libssh libcrypto libseccomp) $(ALL_LIBS)
$(B)/fuzz/%: tests/fuzz/%.c tests/fuzz/driver.c $(ALL_LIB_FILES)
	$(link) $(ALL_CFLAGS) -I. $(PKG_CFLAGS) $(LDHARD) -MF $@.d -o $@ $< tests/fuzz/driver.c $(call test_libs,$*) \
	  $(call pkg,$(if $(findstring session,$*),$(PKGS_SESSION),libcrypto libseccomp)) $(if $(findstring session,$*),,$(ALL_LIBS))
# Names EVP_DigestSign and the like for libssh to find, as sshd-gate-session does.
$(B)/fuzz/protocol: $(addsuffix .c,$(FUZZ_PROTOCOL_SRC)) $(wildcard tests/fuzz/protocol/*.h) $(call lib,session proto base)
	$(link) $(ALL_CFLAGS) $(PKG_CFLAGS) $(LDHARD) -rdynamic -o $@ $(filter %.c,$^) $(call lib,session proto base) \
	  $(call pkg,$(PKGS_SESSION)) -lutil

.PHONY: unit netns-bin fuzz-bin bench-bin deps check check-long check-root lab faults asan fuzz tidy format format-check bench demo \
        demo-down install uninstall clean help
unit: $(UNIT)
netns-bin: $(NETNS_BIN)
fuzz-bin: $(FUZZ_BIN) $(B)/fuzz/protocol
bench-bin: $(BENCH_BIN)


# --- checks ---
SUM     := $(B)/summary
# Failure injection, and undefined behaviour as a crash: what the tests that kill things run.
FAULTS  := -DSSHBAY_FAULTS -fsanitize=undefined -fsanitize-undefined-trap-on-error
RUNTEST := tests/run -s $(SUM)
E2E     := $(sort $(wildcard tests/e2e/*.sh)) $(addprefix tests/e2e/clients/,regress.sh tools.sh)
NETNS   := $(sort $(wildcard tests/netns/test_*.sh)) $(filter $(B)/netns/test_%,$(NETNS_BIN))
E2E_LONG := $(sort $(wildcard tests/e2e/long/*.sh)) tests/e2e/clients/matrix.sh
LAB     := $(sort $(wildcard tests/lab/*.sh))

check: ## everything this machine can test: installs what is missing, ends with "N passed, N failed, N skipped"
	@scripts/install-deps build run test clients
	@$(MAKE) --no-print-directory -j$$(nproc) EXTRA_CFLAGS="-Werror" all unit netns-bin fuzz-bin bench-bin
	@$(MAKE) --no-print-directory -j$$(nproc) faults
	@$(MAKE) --no-print-directory -j$$(nproc) B=$(B)/asan CFLAGS="-O1 -g" EXTRA_CFLAGS="-fsanitize=address,undefined -fno-omit-frame-pointer" \
	  EXTRA_LDFLAGS="-fsanitize=address,undefined" unit fuzz-bin
	@scripts/mkrootfs -q -o $${SSHBAY_IMAGE_CACHE:-/var/cache/sshbay}/images
	@rm -f $(SUM) $(SUM).failed
	@$(MAKE) --no-print-directory -k check-static check-unit check-asan check-fuzz check-root; tests/run -t $(SUM)
check-static:
	@$(RUNTEST) scripts/check-layers scripts/check-sizes scripts/check-style
check-unit: unit
	@$(RUNTEST) -j 2 $(UNIT)
check-asan:
	@ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 $(RUNTEST) -j 2 $(UNIT:$(B)/%=$(B)/asan/%)
check-fuzz:
	@FUZZ_RUNS=20000 FUZZ_SECONDS=10 $(RUNTEST) $(FUZZ_BIN:$(B)/%=$(B)/asan/%) $(B)/asan/fuzz/protocol
check-root: ## the tests that need root: namespaces and whole beds
	@status=0; export TEST_LIMIT=1200; $(RUNTEST) -j 2 $(NETNS) || status=1; $(RUNTEST) -j 2 $(E2E) || status=1; exit $$status
check-long: check ## check, and the suites that take long
	@export TEST_LIMIT=1800; $(RUNTEST) $(E2E_LONG); $(RUNTEST) -j 2 $(LAB); tests/run -t $(SUM)
faults: ## the programs with failure injection, under build/faults
	@$(MAKE) --no-print-directory B=$(B)/faults EXTRA_CFLAGS="-Werror $(FAULTS)" all
lab: all netns-bin faults ## the tests that need Debian's kernel and pure cgroup v2, in a virtual machine
	@TEST_LIMIT=1800 tests/run -j 2 $(LAB)
asan: ## unit tests and fuzz targets under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory -j$$(nproc) B=$(B)/asan CFLAGS="-O1 -g" EXTRA_CFLAGS="-fsanitize=address,undefined -fno-omit-frame-pointer" \
	  EXTRA_LDFLAGS="-fsanitize=address,undefined" unit fuzz-bin
	@$(MAKE) --no-print-directory check-asan check-fuzz
fuzz: ## every fuzz target for FUZZ_RUNS random inputs (default 1000000)
	@FUZZ_RUNS=$${FUZZ_RUNS:-1000000} FUZZ_SECONDS=$${FUZZ_SECONDS:-60} $(RUNTEST) $(FUZZ_BIN:$(B)/%=$(B)/asan/%) $(B)/asan/fuzz/protocol
tidy: ## clang-tidy, cppcheck and gcc -fanalyzer
	@scripts/check-style --all
format: ## rewrite the sources with clang-format
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i
bench: ## interleaved comparison with OpenSSH and bare namespaces; ratios with spread
	@scripts/install-deps build run test
	@$(MAKE) --no-print-directory -j$$(nproc) all bench-bin
	@tests/bench/run
.PHONY: check-static check-unit check-asan check-fuzz

# --- trying and installing ---
demo: ## two workspaces joined by a cable; sshbay pair and bench prove and measure it
	@scripts/install-deps build run
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@scripts/demo up $(B)/demo
demo-down: ## remove every trace of the demo
	@scripts/demo down $(B)/demo
install: all ## into DESTDIR: programs, units, man pages, sample configuration
	install -d $(addprefix $(DESTDIR),$(PREFIX)/sbin $(PREFIX)/bin $(LIBEXECDIR)/sftp $(SYSCONFDIR)/sshbay/workspaces.d \
	  $(SYSCONFDIR)/sshbay/keys $(PREFIX)/lib/systemd/system $(PREFIX)/lib/sysusers.d $(PREFIX)/lib/tmpfiles.d \
	  $(PREFIX)/share/man/man1 $(PREFIX)/share/man/man5 $(PREFIX)/share/man/man8 $(PREFIX)/share/bash-completion/completions)
	install -m 0755 $(BIN)/sshd-gate $(BIN)/provisiond $(DESTDIR)$(PREFIX)/sbin/
	install -m 0755 $(BIN)/sshbay $(DESTDIR)$(PREFIX)/bin/
	install -m 0755 $(BIN)/sshd-gate-session $(BIN)/ws-init $(BIN)/sshbay-pam scripts/mkrootfs $(DESTDIR)$(LIBEXECDIR)/
	install -m 0755 $(BIN)/sftp/* $(DESTDIR)$(LIBEXECDIR)/sftp/
	[ -e $(DESTDIR)$(SYSCONFDIR)/sshbay/sshbay.ini ] || install -m 0644 conf/sshbay.ini $(DESTDIR)$(SYSCONFDIR)/sshbay/
	[ -e $(DESTDIR)$(SYSCONFDIR)/pam.d/sshbay ] || install -D -m 0644 conf/sshbay.pam $(DESTDIR)$(SYSCONFDIR)/pam.d/sshbay
	install -m 0644 conf/*.service $(DESTDIR)$(PREFIX)/lib/systemd/system/
	install -m 0644 conf/sshbay.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/sshbay.conf
	install -m 0644 conf/sshbay.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/sshbay.conf
	install -m 0644 conf/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 0644 conf/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 0644 conf/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 0644 conf/sshbay.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sshbay
uninstall: ## remove what install put there; configuration and state stay
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,sbin/sshd-gate sbin/provisiond bin/sshbay lib/systemd/system/sshd-gate.service \
	  lib/systemd/system/provisiond.service lib/sysusers.d/sshbay.conf lib/tmpfiles.d/sshbay.conf \
	  share/bash-completion/completions/sshbay)
	rm -f $(foreach m,$(wildcard conf/*.[158]),$(DESTDIR)$(PREFIX)/share/man/man$(lastword $(subst ., ,$(m)))/$(notdir $(m)))
	rm -rf $(DESTDIR)$(LIBEXECDIR)
clean: ## remove what was built
	rm -rf $(B)
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

-include $(shell find $(B) -path $(B)/demo -prune -o -type f -name "*.d" -print 2>/dev/null)
