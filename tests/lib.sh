# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the shell tests share: TAP lines, a bed of their own, and the residue check after it.
# A test file sources this, calls `bed_up [EXTRA.ini]`, then `t NAME COMMAND...` per case, and ends with `finish`.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export SSHBAY_BIN=${SSHBAY_BIN:-$ROOT/build/bin}
TAP=0 FAILED=0
WORK=$(mktemp -d "${TMPDIR:-/tmp}/sshbay-test.XXXXXX")
BED=$WORK/bed

ok() { TAP=$((TAP + 1)); echo "ok $TAP - $1"; }
not_ok() { TAP=$((TAP + 1)); FAILED=$((FAILED + 1)); echo "not ok $TAP - $1"; [ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/# /' | head -40; }
skip() { TAP=$((TAP + 1)); echo "ok $TAP - $1 # SKIP $2"; }
# Run a command as one case: passes when it exits 0; its output is shown when it does not.
t() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "exit $?: $out"; fi
}
# is NAME EXPECTED ACTUAL; texts of several lines are shown as their difference
is() {
	if [ "$2" = "$3" ]; then ok "$1"
	elif [[ $2$3 == *$'\n'* ]]; then not_ok "$1" "$(diff -U1 --label expected --label got <(echo "$2") <(echo "$3"))"
	else not_ok "$1" "expected: $2
got: $3"; fi
}
# like NAME REGEX TEXT (extended regular expression)
like() { if grep -qE -- "$2" <<<"$3"; then ok "$1"; else not_ok "$1" "expected match: $2
got: $3"; fi; }
unlike() { if grep -qE -- "$2" <<<"$3"; then not_ok "$1" "unexpected match: $2
got: $3"; else ok "$1"; fi; }
# Wait up to SECONDS for a command to succeed. Less than a minute tells nothing but how busy the machine is: it is taken for
# one, and in the lab, whose machine is emulated, for five.
await() {
	local least=${SSHBAY_LAB:+300} end
	least=${least:-60}
	end=$((SECONDS + ($1 > least ? $1 : least)))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# Wait for a child of ours and return its status; one that does not end within SECONDS (default 60) is killed.
reap() { # PID [SECONDS]
	local guard status
	{ sleep "${2:-60}"; kill "$1"; } >/dev/null 2>&1 &
	guard=$!
	wait "$1"
	status=$?
	pkill -P "$guard" 2>/dev/null
	wait "$guard" 2>/dev/null
	return $status
}

# --- the bed ---
bed_up() { # [EXTRA.ini text on stdin when the argument is -]
	local extra=
	if [ "${1:-}" = - ]; then extra=$WORK/extra.ini; cat >"$extra"; elif [ $# -gt 0 ]; then extra=$1; fi
	host_snapshot >"$WORK/host.before"
	if ! "$ROOT/scripts/testbed" up "$BED" ${extra:+"$extra"} >"$WORK/up.log" 2>&1; then
		not_ok "bed comes up" "$(cat "$WORK/up.log")"
		finish
	fi
	bed_snapshot >"$WORK/bed.before"
}
on() { timeout "${ON_LIMIT:-120}" "$BED/run" ssh -F "$BED/ssh_config" -o BatchMode=yes -o ConnectTimeout=60 "$@"; }
bay() { "$BED/sshbay" "$@"; }
inbed() { "$BED/run" "$@"; }

# --- residue: what a bed, and what its workspaces, may not leave behind ---
# Only what bears this bed's marks: other beds may come and go meanwhile.
host_snapshot() {
	local id
	id=$(printf '%s' "$(realpath -m "$BED")" | sha256sum | cut -c1-8)
	echo "links $(ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | grep -E '^(sb-|cable|lan0)' | sort | tr '\n' ' ')"
	echo "mounts $(grep -cE "$id|$WORK" /proc/self/mountinfo)"
	echo "run $(find /run -maxdepth 1 \( -name "sb-$id" -o -lname "$BED" \) | tr '\n' ' ')"
	echo "cgroups $(find /sys/fs/cgroup -type d -path "*sshbay-bed-$id*" | sort | tr '\n' ' ')"
	echo "nft $(nft list tables 2>/dev/null | grep sshbay)"
	echo "rules $( (ip rule; ip -6 rule) 2>/dev/null | sha256sum)"
	echo "processes $(pgrep -cf -- "$BED/sshbay.ini|/run/sb-$id")"
}
daemon_pid() { cut -d' ' -f1 "$BED/pid/$1"; }
bed_snapshot() {
	local p
	echo "links $(inbed ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | sort | tr '\n' ' ')"
	echo "mounts $(inbed cat /proc/self/mountinfo | grep -vc '/images/[.]')" # an image that is being built is nobody's here
	echo "routes $( (inbed ip route show table all; inbed ip -6 route show table all) | grep -c 'sb-')"
	echo "nft $(inbed nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//' | sha256sum)"
	echo "cgroups $(find /sys/fs/cgroup -type d -path "*/$(sed -n 2p "$BED/testbed.id")/*" | wc -l)"
	echo "runtime $(inbed find "$(sed -n 1p "$BED/testbed.id")/ws" -mindepth 1 2>/dev/null | sort | tr '\n' ' ')"
	echo "store $(ls -A "$BED/state/workspaces" 2>/dev/null | tr '\n' ' ') $(ls -A "$BED/state/records" 2>/dev/null | tr '\n' ' ')"
	p=$(daemon_pid provisiond)
	echo "zombies $(ps -o stat= --ppid "$p" 2>/dev/null | grep -c Z)"
}
# Destroy every workspace; then nothing but what the bed had at its start may be there.
residue() {
	local names
	names=$(bay list --json | python3 -c 'import json,sys
for w in json.load(sys.stdin):
    if w["state"] != "absent" or w["created"]: print(w["name"])')
	# shellcheck disable=SC2086
	[ -z "$names" ] || bay destroy --purge $names >"$WORK/destroy.log" 2>&1 || cat "$WORK/destroy.log"
	await 60 unchanged || diff "$WORK/bed.before" "$WORK/bed.after"
}
unchanged() { bed_snapshot >"$WORK/bed.after" && cmp -s "$WORK/bed.before" "$WORK/bed.after"; }
traceless() { host_snapshot >"$WORK/host.after" && cmp -s "$WORK/host.before" "$WORK/host.after"; }
no_trace() { await 60 traceless || diff "$WORK/host.before" "$WORK/host.after"; }
bed_down() {
	t "destroying the workspaces leaves nothing" residue
	if grep -E 'AddressSanitizer|runtime error:|Assertion|BUG' "$BED"/log/*.log >"$WORK/bad.log" 2>/dev/null; then
		not_ok "the daemons' logs are clean" "$(head -40 "$WORK/bad.log")"
	fi
	[ $FAILED = 0 ] || { for f in "$BED"/log/[gp]*.log; do echo "# --- $f"; tail -n 25 "$f" | cut -c1-300 | sed 's/^/# /'; done; }
	t "the bed goes down" "$ROOT/scripts/testbed" down "$BED"
	t "the bed leaves no trace on the host" no_trace
}
cleanup() {
	[ ! -e "$BED/testbed.id" ] || "$ROOT/scripts/testbed" down "$BED" >/dev/null 2>&1
	rm -rf --one-file-system "$WORK"
}
trap cleanup EXIT
finish() {
	[ ! -e "$BED/testbed.id" ] || bed_down
	echo "1..$TAP"
	[ $FAILED = 0 ]
	exit
}
