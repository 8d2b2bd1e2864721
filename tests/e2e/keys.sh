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
cp "$BED/keys/alice" "$K/own"
cp "$auth" "$K/own.pub"
pub() { cat "$K/$1.pub"; }
keys() { # LINE...: the file has these, and the key that always logs in
	{ printf '%s\n' "$@"; pub own; } >"$auth"
}
cl() { # KEY [ssh arguments]: as alice, with that key alone
	local k=$1
	shift
	timeout 120 "$BED/run" ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o IdentitiesOnly=yes -o LogLevel=ERROR -o ConnectTimeout=60 -i "$K/$k" -p 2222 "$@" 2>&1
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
keys "no-such-option $(pub plain)"
refuses "an unknown option grants nothing" plain "alice:1': option 'no-such-option': not known"
keys "# comment" "from=\"10.0.0.1/8\" $(pub plain)"
refuses "a malformed option grants nothing" plain "alice:2': option 'from': .*beyond its prefix"
keys "from=\"127.0.0.0/8\" $(pub plain)"
accepts "from= with the client's network" plain
keys "from=\"127.0.0.*,!127.0.0.1\" $(pub plain)"
refuses "from= with the client negated" plain "option 'from': does not list '127.0.0.1'"
keys "from=\"::1\" $(pub plain)"
refuses "from= with another address" plain "does not list '127.0.0.1'"
is "from= for IPv6" in "$(cl plain 'alice@::1' 'echo in')"
keys "expiry-time=\"20200101\" $(pub plain)"
refuses "expiry-time= in the past" plain "option 'expiry-time'"
keys "expiry-time=\"$(date -ud '+1 hour' +%Y%m%d%H%M)Z\" $(pub plain)"
accepts "expiry-time= in an hour, UTC" plain
keys "expiry-time=\"$(date -ud '-1 minute' +%Y%m%d%H%M)Z\" $(pub plain)"
refuses "expiry-time= a minute ago, UTC" plain "option 'expiry-time'"
keys "command=\"echo forced; echo \\\"\$SSH_ORIGINAL_COMMAND\\\"\" $(pub plain)"
is "command= runs instead, and is told what was asked" "forced
uptime -p" "$(cl plain alice@127.0.0.1 'uptime -p')"
is "command= instead of a shell" forced "$(cl plain alice@127.0.0.1 </dev/null | head -1)"
is "command= instead of a subsystem" forced "$(cl plain -s alice@127.0.0.1 sftp </dev/null | head -1)"
keys "environment=\"COLOUR=deep blue\",environment=\"COLOUR=red\",environment=\"SIZE=9\" $(pub plain)"
is "environment=, the first of a name" "deep blue 9" "$(cl plain alice@127.0.0.1 'echo $COLOUR $SIZE')"
keys "no-pty $(pub plain)"
like "no-pty refuses a terminal" 'PTY allocation request failed' "$(cl plain -tt alice@127.0.0.1 true </dev/null)"
is "no-pty lets commands run" in "$(cl plain alice@127.0.0.1 'echo in')"
keys "restrict,pty $(pub plain)"
unlike "restrict,pty has a terminal" 'PTY allocation' "$(cl plain -tt alice@127.0.0.1 tty </dev/null)"

# --- where to: a server inside that answers with the gate's own banner ---
cl own -N -R 127.0.0.1:7000:127.0.0.1:2222 -R 127.0.0.1:7001:127.0.0.1:2222 alice@127.0.0.1 >"$WORK/server.log" 2>&1 &
server=$!
await 10 sh -c "timeout 30 '$BED/run' ssh -F '$BED/ssh_config' -W 127.0.0.1:7000 alice@gate </dev/null | grep -q SSH-2.0"
reaches() { # NAME TARGET: what is at its other end speaks first, in a moment, or in more on a busy machine
	local n got=0
	for n in 0.5 3 20; do
		got=$(sleep $n | cl plain -W "$2" alice@127.0.0.1 | grep -c '^SSH-2.0-')
		[ "$got" = 0 ] || break
	done
	is "$1" 1 "$got"
}
blocked() { like "$1" 'prohibited|forwarding failed' "$(cl plain -W "$2" alice@127.0.0.1 </dev/null)"; }
listens() { is "$1" in "$(cl plain -o ExitOnForwardFailure=yes -R "$2:127.0.0.1:1" alice@127.0.0.1 'echo in')"; }
deaf() { like "$1" 'remote port forwarding failed' "$(cl plain -o ExitOnForwardFailure=yes -R "$2:127.0.0.1:1" alice@127.0.0.1 'echo in')"; }
keys "$(pub plain)"
reaches "without options -W reaches any port" 127.0.0.1:7000
keys "restrict $(pub plain)"
blocked "restrict refuses -W" 127.0.0.1:7000
deaf "restrict refuses -R" 127.0.0.1:7100
keys "no-port-forwarding $(pub plain)"
blocked "no-port-forwarding refuses -W" 127.0.0.1:7000
deaf "no-port-forwarding refuses -R" 127.0.0.1:7100
keys "restrict,port-forwarding $(pub plain)"
reaches "restrict,port-forwarding allows -W" 127.0.0.1:7000
keys "permitopen=\"127.0.0.1:7000\" $(pub plain)"
reaches "permitopen= allows what it lists" 127.0.0.1:7000
blocked "permitopen= refuses another port" 127.0.0.1:7001
blocked "permitopen= refuses another host" localhost:7000
listens "permitopen= leaves -R alone" 127.0.0.1:7100
keys "permitopen=\"localhost:1\",permitopen=\"127.0.0.1:*\" $(pub plain)"
reaches "permitopen= several, any port" 127.0.0.1:7001
keys "permitlisten=\"127.0.0.1:7100\",permitlisten=\"7102\" $(pub plain)"
listens "permitlisten= allows what it lists" 127.0.0.1:7100
listens "permitlisten= with a bare port" 127.0.0.1:7102
deaf "permitlisten= refuses another port" 127.0.0.1:7101
reaches "permitlisten= leaves -W alone" 127.0.0.1:7000
eval "$(ssh-agent -s -a "$WORK/agent")" >/dev/null
agent_inside() { cl plain -A alice@127.0.0.1 'test -S "$SSH_AUTH_SOCK" && echo agent || echo none'; }
keys "$(pub plain)"
is "without options an agent is forwarded" agent "$(agent_inside)"
keys "no-agent-forwarding $(pub plain)"
is "no-agent-forwarding refuses it" none "$(agent_inside | tail -1)"
kill "$SSH_AGENT_PID"

# --- certificates ---
sign() { ssh-keygen -q -s "$K/$1" -I "id of $2" -z 7 "${@:3}" "$K/$2.pub"; }
keys
for t in ed25519 ecdsa rsa; do ssh-keygen -q -t $t -N '' -f "$K/u$t"; sign ca u$t -n alice,ops; accepts "certificate of $t" u$t; done
sign carsa ued25519 -n alice
accepts "signed by an RSA authority" ued25519
like "the audit log names certificate and authority" "certificate 'id of ued25519' serial 7 by SHA256:" "$(cat "$BED/log/audit.log")"
refuses "a certificate for alice does not log bob in" ued25519 "'bob' is none of them" bob
sign ca2 ued25519 -n alice
refuses "another authority" ued25519 ""
sign ca ued25519 -n alice -V 20200101Z:20210101Z
refuses "expired" ued25519 "'validity': expired"
sign ca ued25519 -n alice -V 20990101Z:21000101Z
refuses "not yet valid" ued25519 "not yet valid"
sign ca ued25519
refuses "without principals" ued25519 "none of them"
sign ca ued25519 -h -n alice
refuses "a host's certificate" ued25519 ""
sign ca ued25519 -n alice -O force-command='echo by certificate'
is "force-command" "by certificate" "$(cl ued25519 alice@127.0.0.1 id)"
sign ca ued25519 -n alice -O source-address=127.0.0.0/8
accepts "source-address with the client" ued25519
sign ca ued25519 -n alice -O source-address=10.0.0.0/8
refuses "source-address without it" ued25519 "'source-address': does not list '127.0.0.1'"
sign ca ued25519 -n alice -O critical:frob@example.org=x
refuses "an unknown critical option" ued25519 "frob@example.org"
sign ca ued25519 -n alice -O no-pty -O no-port-forwarding
like "no permit-pty" 'PTY allocation request failed' "$(cl ued25519 -tt alice@127.0.0.1 true </dev/null)"
like "no permit-port-forwarding" 'prohibited|forwarding failed' "$(cl ued25519 -W 127.0.0.1:7000 alice@127.0.0.1 </dev/null)"
sign ca3 ued25519 -n ops,dev
keys "cert-authority $(pub ca3)"
refuses "cert-authority, and a principal that is not the user" ued25519 "alice:1': .*principals"
keys "cert-authority,principals=\"dev\",no-pty $(pub ca3)"
accepts "cert-authority with principals=" ued25519
like "its options narrow" 'PTY allocation request failed' "$(cl ued25519 -tt alice@127.0.0.1 true </dev/null)"
keys "cert-authority,principals=\"dev\",command=\"echo by key\" $(pub ca3)"
is "command= beside a certificate" "by key" "$(cl ued25519 alice@127.0.0.1 id)"
sign ca3 ued25519 -n dev -O force-command='echo other'
refuses "command= and another force-command" ued25519 "differs"
keys "cert-authority $(pub ca3)"
refuses "the authority's own key" ca3 ""

# --- security keys ---
if ${CC:-gcc} -std=gnu11 -shared -fPIC -o "$WORK/sk.so" "$ROOT/tests/e2e/sk_provider.c" -lcrypto 2>"$WORK/cc.log" &&
	SSH_SK_PROVIDER=$WORK/sk.so ssh-keygen -q -t ed25519-sk -N '' -f "$K/sked" &&
	SSH_SK_PROVIDER=$WORK/sk.so ssh-keygen -q -t ecdsa-sk -N '' -f "$K/skec"; then
	sk() { SK_FLAGS=$2 cl "$1" -o SecurityKeyProvider="$WORK/sk.so" alice@127.0.0.1 'echo in'; }
	for k in sked skec; do
		keys "$(pub $k)"
		is "$k: touched" in "$(sk $k 1)"
		like "$k: not touched" denied "$(sk $k 0)"
		keys "no-touch-required $(pub $k)"
		is "$k: no-touch-required" in "$(sk $k 0)"
		keys "verify-required $(pub $k)"
		like "$k: verify-required, not verified" denied "$(sk $k 1)"
		is "$k: verify-required, verified" in "$(sk $k 5)"
		keys
		sign ca $k -n alice
		is "$k: certificate, touched" in "$(sk $k 1)"
		like "$k: certificate, not touched" denied "$(sk $k 0)"
		sign ca $k -n alice -O no-touch-required
		is "$k: certificate with no-touch-required" in "$(sk $k 0)"
		rm "$K/$k-cert.pub"
	done
else
	skip "security keys" "no software key could be built: $(head -1 "$WORK/cc.log")"
fi

# --- revoked keys, and files that cannot be believed ---
keys "$(pub plain)"
sign ca ued25519 -n alice
pub plain >"$A/revoked"
refuses "a revoked key" plain "it is revoked by"
pub ued25519 >"$A/revoked"
refuses "a certificate of a revoked key" ued25519 "it is revoked by"
pub ca >"$A/revoked"
refuses "a certificate of a revoked authority" ued25519 "it is revoked by"
accepts "other keys still log in" plain
ssh-keygen -q -k -f "$A/revoked" "$K/plain.pub"
refuses "a key in a KRL" plain "it is revoked by"
echo "serial: 7" >"$WORK/spec"
ssh-keygen -q -k -f "$A/revoked" -s "$K/ca.pub" "$WORK/spec"
refuses "a certificate's serial number in a KRL" ued25519 "it is revoked by"
accepts "other keys still log in" plain
like "sshbay check takes a KRL" '^ok' "$(bay check 2>&1)"
truncate -s -1 "$A/revoked"
refuses "a damaged KRL, and nobody gets in" plain "revoked': it is damaged"
like "sshbay check tells it as well" 'revoked_keys.*damaged' "$(bay check 2>&1)"
echo "ssh-ed25519 garbage" >"$A/revoked"
refuses "a line that is no key, and nobody gets in" plain "revoked:1': not a key"
: >"$A/revoked"
chmod g+w "$A/revoked"
refuses "a list that others may write" plain "writable by group"
chmod g-w "$A/revoked"
accepts "all is well again" plain

kill "$server"
wait "$server"
finish
