#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The protocol fuzzer (tests/fuzz/protocol) against sessions of the real zygote, in their sandbox, for FUZZ_SECONDS (10).
# In a network namespace of its own, so that no port of the host is touched.
if [ -z "${IN_NETNS:-}" ]; then
	IN_NETNS=1 exec unshare -n -- "$0" "$@"
fi
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${B:-$ROOT/build}
ip link set lo up
exec "$BUILD/fuzz/protocol" -z "$BUILD/bin/sshd-gate-session" "$@"
