#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Which keys log in and what they may do then: every option of authorized_keys, user certificates, security keys (made of
# software), revoked keys; all with OpenSSH's own client and ssh-keygen.
. "$(dirname "$0")/../lib.sh"
A=$WORK/auth
mkdir -m 755 "$A"
chmod 755 "$WORK"
K=$WORK/k
mkdir "$K"
for k in ca ca2 ca3 plain other; do ssh-keygen -q -t ed25519 -N '' -C "$k" -f "$K/$k"; done
ssh-keygen -q -t rsa -b 2048 -N '' -f "$K/carsa"
cat "$K/ca.pub" "$K/carsa.pub" >"$A/cas"
: >"$A/revoked"
bed_up - <<INI
[auth]
trusted_user_ca_keys = $A/cas
revoked_keys = $A/revoked
[workspace alice]
[workspace bob]
INI
auth=$BED/etc/keys/alice
cp "$auth" "$K/own"
pub() { cat "$K/$1.pub"; }
keys() { cat >"$auth"; }
cl() { # KEY [ssh arguments]: as alice, with that key alone
	local k=$1
	shift
	timeout 25 "$BED/run" ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o IdentitiesOnly=yes -o LogLevel=ERROR -o ConnectTimeout=10 -i "$K/$k" -p 2222 "$@" 2>&1
}
log() { tail -n "+$((mark + 1))" "$BED/log/provisiond.log"; }
mark_log() { mark=$(wc -l <"$BED/log/provisiond.log"); }
# accepts NAME KEY [USER], refuses NAME KEY REGEX-IN-LOG [USER]
accepts() { is "$1" "in" "$(cl "$2" "${3:-alice}@127.0.0.1" 'echo in')"; }
refuses() {
	local out
	mark_log
	out=$(cl "$2" "${4:-alice}@127.0.0.1" 'echo in')
	like "$1" 'denied|disconnect' "$out"
	[ -z "$3" ] || like "$1: the administrator is told" "$3" "$(log)"
}

# --- options ---
{ echo "no-such-option $(pub plain)"; } | keys
refuses "an unknown option grants nothing" plain "alice:1': option 'no-such-option': not known"
{ echo "# comment"; echo "from=\"10.0.0.1/8\" $(pub plain)"; } | keys
refuses "a malformed option grants nothing" plain "alice:2': option 'from': .*beyond its prefix"
{ echo "from=\"127.0.0.0/8\" $(pub plain)"; } | keys
accepts "from= with the client's network" plain
{ echo "from=\"127.0.0.*,!127.0.0.1\" $(pub plain)"; } | keys
refuses "from= with the client negated" plain "option 'from': does not list '127.0.0.1'"
{ echo "from=\"::1\" $(pub plain)"; } | keys
refuses "from= with another address" plain "does not list '127.0.0.1'"
is "from= for IPv6" in "$(cl plain 'alice@::1' 'echo in')"
{ echo "expiry-time=\"20200101\" $(pub plain)"; } | keys
refuses "expiry-time= in the past" plain "option 'expiry-time'"
{ echo "expiry-time=\"$(date -ud '+1 hour' +%Y%m%d%H%M)Z\" $(pub plain)"; } | keys
accepts "expiry-time= in an hour, UTC" plain
{ echo "expiry-time=\"$(date -ud '-1 minute' +%Y%m%d%H%M)Z\" $(pub plain)"; } | keys
refuses "expiry-time= a minute ago, UTC" plain "option 'expiry-time'"
{ echo "command=\"echo forced; echo \\\"\$SSH_ORIGINAL_COMMAND\\\"\" $(pub plain)"; } | keys
is "command= runs instead, and is told what was asked" "forced
uptime -p" "$(cl plain alice@127.0.0.1 'uptime -p')"
is "command= instead of a shell" forced "$(cl plain alice@127.0.0.1 </dev/null | head -1)"
is "command= instead of a subsystem" forced "$(cl plain -s alice@127.0.0.1 sftp </dev/null | head -1)"
{ echo "environment=\"COLOUR=deep blue\",environment=\"COLOUR=red\",environment=\"SIZE=9\" $(pub plain)"; } | keys
is "environment=, the first of a name" "deep blue 9" "$(cl plain alice@127.0.0.1 'echo $COLOUR $SIZE')"
{ echo "no-pty $(pub plain)"; } | keys
like "no-pty refuses a terminal" 'PTY allocation request failed' "$(cl plain -tt alice@127.0.0.1 true </dev/null)"
is "no-pty lets commands run" in "$(cl plain alice@127.0.0.1 'echo in')"
{ echo "restrict,pty $(pub plain)"; } | keys
unlike "restrict,pty has a terminal" 'PTY allocation' "$(cl plain -tt alice@127.0.0.1 tty </dev/null)"
# The banner of the workspace's own port, if anything listens; here: what the refusal says.
cl plain -f -N -o ExitOnForwardFailure=yes -L 127.0.0.1:7001:127.0.0.1:7000 alice@127.0.0.1 >/dev/null
like "restrict refuses -R" 'remote port forwarding failed' \
	"$(cl plain -o ExitOnForwardFailure=yes -R 127.0.0.1:7100:127.0.0.1:1 alice@127.0.0.1 true)"
like "restrict refuses -W" 'administratively prohibited|open failed' "$(cl plain -W 127.0.0.1:7000 alice@127.0.0.1 </dev/null)"
serve='python3 -c "
import socket
s = socket.socket(); s.setsockopt(1, 2, 1); s.bind((\"127.0.0.1\", 7000)); s.listen(8)
while True:
    c, _ = s.accept(); c.sendall(b\"served\\n\"); c.close()
"'
