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
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) $(HARD) $(CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -Iprovision \
          -DSSHBAY_VERSION='"$(VERSION)"' -DSSHBAY_LIBEXEC='"$(LIBEXECDIR)"' -DSSHBAY_SYSCONF='"$(SYSCONFDIR)/sshbay"'
Q = $(if $(V),,@)

# --- sources, by library (arrows of ARCHITECTURE.md: each may use only what stands above it) ---
BASE_SRC     := err fd log num ip str path clk proc fault
PROTO_SRC    := msg msg_io msg_doc gate ctl init work admin
CONF_SRC     := conf schema settings settings_check settings_dump
RECORD_SRC   := record
AUTH_SRC     := hostkey verify keys
WORK_SRC     := plan ns ns_init rootfs rootfs_enter limits net netif net_nft net_hosts nic filter
DAEMON_SRC   := main workspace worker recover gate_server ctl_server admin_server audit sessions
CLI_SRC      := main list operate enter check doctor
INIT_SRC     := main user spawn pty dial listen setup
LISTENER_SRC := main admission children zygote refuse sandbox
SESSION_SRC  := main zygote sandbox interpose transport login channel spawn pump attach

.DEFAULT_GOAL := all
