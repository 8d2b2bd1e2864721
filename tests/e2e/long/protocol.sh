#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The protocol fuzzer for longer, each time from seeds that nobody has tried: a minute under sanitizers, a minute of
# sessions in their sandbox. A run that fails prints its seed and how to repeat it.
set -u
ROOT=$(cd "$(dirname "$0")/../../.." && pwd)
BUILD=${B:-$ROOT/build}
export FUZZ_SECONDS=${FUZZ_SECONDS:-60} FUZZ_SEED=${FUZZ_SEED:-$(date +%s)000}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
n=0 failed=0
say() { # NAME COMMAND...
	local name=$1
	shift
	"$@" >"$out" 2>&1 || failed=1
	while read -r line; do
		case $line in
		"ok "* | "not ok "*) n=$((n + 1)); sed -E "s/^(not )?ok [0-9]+ - /\1ok $n - $name: /" <<<"$line" ;;
		1..*) ;;
		*) printf '# %s\n' "${line#\# }" ;;
		esac
	done <"$out"
}
say "sanitizers" "$BUILD/asan/fuzz/protocol"
say "sandbox" "$ROOT/tests/netns/test_session_fuzz.sh"
echo "1..$n"
[ $failed = 0 ] && [ $n = 4 ]
