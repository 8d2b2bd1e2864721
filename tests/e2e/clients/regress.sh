#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# OpenSSH's own regression scripts (Debian's openssh-tests) against the gate: one case per script. They run inside the workspace
# that their logins land in, so that both sides see the same files; what they start as sshd leads to the gate. See README.md.
. "$(dirname "$0")/lib.sh"
PACKAGE=/usr/lib/openssh/regress
[ -d $PACKAGE ] || { skip "OpenSSH's regression scripts" "openssh-tests is not installed"; finish; }

# Each lane runs its scripts one after another; those of one lane use the same ports, or leave their time to sleeping.
LANES=(
	"forwarding multiplex"
	"exit-status stderr-after-eof stderr-data exit-status-signal portnum"
	"dynamic-forward transfer broken-pipe yes-head connect connect-uri"
	"rekey"
	"try-ciphers integrity"
	"sftp sftp-uri localcommand host-expand knownhosts"
)
[ $# = 0 ] || LANES=("$*")

bed_up - <<'INI'
[gate]
accept_env = _XXX_TEST*
INI
on alice@gate 'mkdir -p regress bin obj'
tar -C $PACKAGE --exclude=unittests -c . | on alice@gate 'tar -x -C regress'
# The gate's host key takes the place of the one that the scripts would make for their sshd.
on alice@gate 'umask 077; cat >obj/ssh-ed25519' <"$BED/etc/ssh_host_ed25519_key"
on alice@gate 'cat >obj/ssh-ed25519.pub' <"$BED/etc/ssh_host_ed25519_key.pub"
on alice@gate 'cat >bin/sshd; chmod 755 bin/sshd' <<'SSHD'
#!/bin/sh
# In place of sshd: -t and -T say yes, -i leads to the gate, anything else is a daemon to be killed by its pid file.
mode=daemon config=
while [ $# -gt 0 ]; do
	case $1 in -f) config=$2; shift ;; -i) mode=inetd ;; -t|-T) mode=check ;; esac
	shift
done
case $mode in
inetd) exec "$HOME/regress/netcat" -N 127.0.0.1 "$TEST_SSH_PORT" ;;
daemon)
	file=$(sed -n 's/^[[:space:]]*PidFile[[:space:]]*//p' "$config")
	setsid sh -c 'trap "rm -f $0; exit" TERM; while :; do sleep 0.1; done' "$file" </dev/null >/dev/null 2>&1 &
	echo $! >"$file" ;;
esac
SSHD
# What ssh says it supports, cut down to what the gate offers: the scripts configure their sshd to everything.
on alice@gate 'cat >bin/ssh; chmod 755 bin/ssh' <<'SSH'
#!/bin/sh
log=
case $1 in -E*) log=$1; shift ;; esac
[ "$1" = -Q ] || exec /usr/bin/ssh $log "$@"
case $2 in
kex | mac | cipher | cipher-auth) /usr/bin/ssh -Q "$2" | grep -xF -f "$HOME/obj/offered" ;;
*) exec /usr/bin/ssh -Q "$2" ;;
esac
SSH
on -vv alice@gate true 2>&1 | tr -d '\r' | awk '/peer server KEXINIT/ { on = 1 } /reserved/ { on = 0 }
	on && /KEX alg|ciphers stoc|MACs stoc/ { gsub(",", "\n", $NF); print $NF }' >"$WORK/offered"
on alice@gate 'cat >obj/offered' <"$WORK/offered"

# From ports of the workspace to the gate, past the gate; ten apart, because the scripts use the next ones.
inbed socat "UNIX-LISTEN:$WORK/relay,fork" TCP:127.0.0.1:2222 & relay=$!
await 5 test -S "$WORK/relay"
for i in "${!LANES[@]}"; do
	nsenter --net="/proc/$(init_pid alice)/ns/net" socat "TCP-LISTEN:$((4242 + 10 * i)),bind=127.0.0.1,fork,reuseaddr" "UNIX-CONNECT:$WORK/relay" & relay+=" $!"
done

# What asks for sshd's own configuration is cut off; that a forward leads to the gate is seen by its version, not by sshd's words.
on alice@gate 'cd regress
	sed -i "s/Invalid SSH identification string/^SSH-2.0-OpenSSH_compatible/; s/^echo \"\" | \$NC -U/sleep 0.3 | \$NC -N -U/" multiplex.sh
	sed -i "s/^\tverbose \"server rekeylimit.*/\tcontinue/; /^verbose \"rekeylimit parsing\"/,\$d" rekey.sh'
# Without REGRESS_LONG=1 waits are cut short, and not each key exchange is tried with each AEAD cipher.
[ -n "${REGRESS_LONG:-}" ] || on alice@gate 'cd regress
	sed -i "s/sleep 2; exec > \/dev\/null 2>&1; sleep 3;/sleep 0.3; exec > \/dev\/null 2>\&1; sleep 0.3;/" exit-status.sh multiplex.sh
	sed -i "s/^for s in 5 10; do/for s in 2; do/; s/sleep \$s;sleep 10/sleep \$s;sleep 2/; s/for kex in .*-Q kex\`/for kex in curve25519-sha256/" rekey.sh'

cat >"$WORK/one.sh" <<'ONE'
# usage: one.sh SCRIPT PORT, inside: run it in a folder of its own
obj=$HOME/obj.$1
rm -rf "$obj"; mkdir "$obj"; cd "$obj" || exit
cp -p "$HOME"/obj/* .
for f in netcat modpipe mkdtemp setuid-allowed check-perm config.h misc; do ln -s "$HOME/regress/$f" .; done
export USER=alice PATH="$HOME/bin:$PATH" BUILDDIR="$HOME/regress" TEST_SHELL=sh TEST_SSH_SSH="$HOME/bin/ssh" \
	TEST_SSH_SSHD="$HOME/bin/sshd" TEST_SSH_SFTPSERVER=/usr/lib/openssh/sftp-server TEST_SSH_UNSAFE_PERMISSIONS=1 TEST_SSH_IPV6=yes TEST_SSH_PORT=$2
exec sh "$HOME/regress/test-exec.sh" "$obj" "$HOME/regress/$1.sh" </dev/zero
ONE
on alice@gate 'cat >bin/one.sh' <"$WORK/one.sh"
# Let test-exec.sh make the users' keys once.
on alice@gate 'echo tid=keys >regress/none.sh; sh bin/one.sh none 4242 >/dev/null 2>&1; cd obj.none; for f in *.pub; do cp -p "$f" "${f%.pub}" ../obj/; done'
on alice@gate 'cat obj/*.pub' >>"$BED/etc/keys/alice"

lane() { # PORT SCRIPT...
	local s port=$1
	shift
	for s; do
		local began=$SECONDS
		ON_LIMIT=${REGRESS_LIMIT:-110} on alice@gate "sh bin/one.sh $s $port" >"$WORK/$s.log" 2>&1
		echo "$? $((SECONDS - began))" >"$WORK/$s.status"
	done
}
pids=
# shellcheck disable=SC2086 # words
for i in "${!LANES[@]}"; do lane $((4242 + 10 * i)) ${LANES[i]} & pids+=" $!"; done
# shellcheck disable=SC2086
wait $pids
# shellcheck disable=SC2048 # words
for s in ${LANES[*]}; do
	read -r status took <"$WORK/$s.status"
	echo "# $s: $took s"
	if [ "$status" = 0 ] && ! grep -q SKIPPED "$WORK/$s.log"; then ok "regress/$s"; else not_ok "regress/$s" "status $status
$(tail -n 30 "$WORK/$s.log")"; fi
done
# shellcheck disable=SC2086
kill $relay
finish
