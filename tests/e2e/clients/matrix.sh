#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Client x feature: every client below client/ tells which of its features work against one bed; the last lines are the table.
# usage: matrix.sh [CLIENT]...
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
clients=("$@")
[ $# -gt 0 ] || clients=(openssh dropbear putty asyncssh paramiko ssh2 lftp curl)

# missing CLIENT: print why it cannot run here
missing() {
	case $1 in
	openssh) command -v ssh >/dev/null || echo "openssh-client is not installed" ;;
	dropbear) command -v dbclient >/dev/null || echo "dropbear-bin is not installed" ;;
	putty) command -v plink >/dev/null || echo "putty-tools is not installed" ;;
	asyncssh | paramiko) /usr/bin/python3 -W ignore -c "import $1" 2>/dev/null || echo "python3-$1 is not installed" ;;
	ssh2) { ssh2_home >/dev/null; } 2>&1 ;;
	lftp | curl) command -v "$1" >/dev/null || echo "$1 is not installed" ;;
	esac
}
program() { # CLIENT: print the command words
	case $1 in
	asyncssh | paramiko) echo "/usr/bin/python3 -P -W ignore $here/client/$1.py" ;;
	ssh2) echo "env NODE_PATH=$(ssh2_home) node $here/client/ssh2.js" ;;
	*) echo "bash $here/client/$1.sh" ;;
	esac
}

PASSWORD='correct horse' INNER=172.31.199.1
bed_up - <<INI
[auth]
methods = publickey password
[workspace alice]
users = alice
control_ip = $INNER
password = $(openssl passwd -6 -salt sshbay "$PASSWORD")
INI
on alice@gate 'cat >net.pl' <"$here/client/net.pl"
export ECHO_IN=7001 ECHO_SOCK=/home/alice/echo.sock ECHO_OUT=7002
on alice@gate "for at in $ECHO_IN $ECHO_SOCK; do setsid perl net.pl echo \$at </dev/null >/dev/null 2>&1 & done"
inbed perl "$here/client/net.pl" echo $ECHO_OUT & outside=$!
mkdir "$WORK/keys"
for k in 'ed25519' 'rsa -b 2048' 'ecdsa -b 256'; do
	# shellcheck disable=SC2086 # words
	ssh-keygen -q -t $k -N '' -C "$k" -f "$WORK/keys/${k%% *}"
done
cat "$WORK"/keys/*.pub >>"$BED/etc/keys/alice"
on alice@gate 'cat >x11.sh' <"$here/client/x11.sh"
inbed python3 "$ROOT/tests/e2e/xserver.py" 77 >"$WORK/x.log" 2>&1 & display=$!
export DISPLAY=localhost:77 XAUTHORITY=$WORK/xauthority
touch "$XAUTHORITY"
! command -v xauth >/dev/null || xauth -f "$XAUTHORITY" add :77 . 00112233445566778899aabbccddeeff 2>/dev/null
# Bulk is this much, the rest of the transfers a part of it.
MB=${MATRIX_MB:-16} FEW_MB=${MATRIX_FEW_MB:-4} LIMIT=${MATRIX_LIMIT:-60}
FEW=$((FEW_MB << 20))
CODES=${MATRIX_CODES:-0 1 2 3 7 64 126 127 128 129 130 143 200 254 255}
head -c "$((MB << 20))" /dev/urandom >"$WORK/data"
DATA=$WORK/data SUM=$(sha256sum <"$WORK/data" | cut -d' ' -f1) SUM_FEW=$(head -c $FEW "$WORK/data" | sha256sum | cut -d' ' -f1)
export CODES MB FEW_MB FEW LIMIT PASSWORD INNER DATA SUM SUM_FEW HOST=127.0.0.1 PORT=2222 LOGIN=alice KEYS=$WORK/keys CONF=$BED/ssh_config KNOWN=$BED/known_hosts
export HOSTKEY=$BED/etc/ssh_host_ed25519_key.pub

base=20000
run_client() {
	local c=$1 began=$SECONDS
	mkdir -p "$WORK/$c.tmp"
	on alice@gate "mkdir -p in.$c"
	# shellcheck disable=SC2046 # words
	TMP=$WORK/$c.tmp BASE=$2 INFO=/home/alice/in.$c timeout $((LIMIT * 5)) "$BED/run" $(program "$c") >"$WORK/$c.out" 2>"$WORK/$c.err" </dev/null
	echo "$? $((SECONDS - began))" >"$WORK/$c.status"
	rm -rf "$WORK/$c.tmp"
	on alice@gate "rm -rf in.$c"
}
ran=() pids=()
for c in "${clients[@]}"; do
	why=$(missing "$c")
	if [ -n "$why" ]; then skip "$c" "$why"; continue; fi
	# Two at a time.
	[ ${#pids[@]} -lt 2 ] || { wait "${pids[0]}"; pids=("${pids[@]:1}"); }
	run_client "$c" $base &
	pids+=($!)
	ran+=("$c")
	base=$((base + 20))
done
[ ${#pids[@]} = 0 ] || wait "${pids[@]}"
for c in "${ran[@]}"; do
	read -r status took <"$WORK/$c.status"
	echo "# $c: $took s"
	while IFS= read -r line; do
		case $line in
		"ok "*) ok "$c: ${line#ok }" ;;
		"not ok "*) line=${line#not ok }; not_ok "$c: ${line%%: *}" "${line#*: }" ;;
		*) echo "# $c says: $line" ;;
		esac
	done <"$WORK/$c.out"
	is "$c: ends well" 0 "$status"
	[ "$status" = 0 ] || tail -n 20 "$WORK/$c.err" | sed 's/^/# /'
done
kill $outside $display

# The table: features in the order in which the clients tell them.
table() {
	local c
	awk -v list="${ran[*]}" '
	BEGIN { n = split(list, names, " ") }
	FNR == 1 { name = FILENAME; sub(/.*\//, "", name) }
	/^(not )?ok / { good = /^ok /; sub(/^(not )?ok /, ""); sub(/: .*/, "")
		if (!($0 in seen)) { seen[$0] = 1; order[++rows] = $0 }
		mark[$0, name] = good ? "yes" : "FAILS" }
	END {
		printf "%-32s", "feature"
		for (i = 1; i <= n; i++) printf "| %-9s", names[i]
		print ""
		for (r = 1; r <= rows; r++) {
			printf "%-32s", order[r]
			for (i = 1; i <= n; i++) printf "| %-9s", mark[order[r], names[i]]
			print ""
		}
	}' "${ran[@]/#/$WORK/}"
}
for c in "${ran[@]}"; do ln -s "$c.out" "$WORK/$c"; done
table | sed 's/^/# /'
finish
