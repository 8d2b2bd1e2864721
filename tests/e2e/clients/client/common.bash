# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the shell clients share. matrix.sh runs them inside the bed with these variables: HOST PORT LOGIN (the gate), KEYS (folder of
# private keys by type), CONF (an ssh_config), KNOWN (known_hosts), DATA (MB MiB of random bytes), SUM (its sha256), FEW
# and FEW_MB (a smaller size, in bytes and MiB), SUM_FEW (of so much of DATA), LIMIT (seconds for one call), CODES (exit codes to try), PASSWORD, INNER (address of the
# workspace), DISPLAY and XAUTHORITY (a display in the bed), TMP (a folder
# of the client's own), ECHO_IN and ECHO_SOCK (an echo server inside the workspace: port, unix socket), ECHO_OUT (port of one in
# the bed), BASE (the first of 20 ports for the client), INFO (a folder in the workspace of the client's own).
# A client prints one line for each feature it has: "ok FEATURE" or "not ok FEATURE: reason".
set -u
# has FEATURE COMMAND...: the feature works when the command exits 0
has() {
	local name=$1 out status
	shift
	out=$("$@" 2>&1)
	status=$?
	if [ $status = 0 ]; then echo "ok $name"; else echo "not ok $name: exit $status: $(tail -n 6 <<<"$out" | tr '\n' ' ' | cut -c1-400)"; fi
}
# same WANT GOT
same() { [ "$1" = "$2" ] || { echo "want '$1', got '$2'"; return 1; }; }
sum() { sha256sum | cut -d' ' -f1; }
await() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
listening() { ss -Htln "sport = :$1" | grep -q .; }
# echoes AT: an echo server answers there, also after the client's end of stream
echoes() { same "$SUM_FEW" "$(head -c "$FEW" "$DATA" | perl "$HERE/net.pl" talk "$1" | sum)"; }
# with_agent KEY COMMAND...: with an agent that holds that key, at $TMP/agent
with_agent() {
	local key=$1 p status
	shift
	rm -f "$TMP/agent"
	ssh-agent -D -a "$TMP/agent" >/dev/null 2>&1 & p=$!
	await 30 env SSH_AUTH_SOCK="$TMP/agent" ssh-add -q "$KEYS/$key"
	SSH_AUTH_SOCK=$TMP/agent "$@"
	status=$?
	kill $p
	return $status
}
HERE=$(dirname "${BASH_SOURCE[0]}")
