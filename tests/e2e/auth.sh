#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Logins by password and by PAM, chains of methods, keys_command, and what a key permits.
. "$(dirname "$0")/../lib.sh"
HASH=$(openssl passwd -6 -salt sshbay 'correct horse')
UTF=$(openssl passwd -6 -salt sshbay 'grün✓')
LONG=$(printf 'x%.0s' $(seq 500))
bed_up - <<E2
[gate]
max_startups_per_source = 0
[auth]
methods = publickey password
answer_time = 5s
[workspace team]
users = pat, carol, alice
password = $HASH
[workspace umlaut]
users = ulf
password = $UTF
[workspace endless]
users = lou
password = $(python3 -W ignore -c 'import crypt, sys; print(crypt.crypt(sys.argv[1], "$6$sshbay"))' "$LONG")
[workspace nopass]
users = nora, alice
E2

# This bed's, by its network: others may talk to PAM meanwhile.
no_pam() {
	local p net
	net=$(inbed readlink /proc/self/ns/net)
	for p in $(pgrep -x sshbay-pam); do [ "$(readlink "/proc/$p/ns/net")" != "$net" ] || return 1; done
}
py() { timeout 120 "$BED/run" "$ROOT/tests/e2e/auth.py" 127.0.0.1 2222 "$@" 2>&1; }
askpass() { # ANSWER SSH-ARGUMENTS...
	ASK=$1 SSH_ASKPASS=$WORK/askpass SSH_ASKPASS_REQUIRE=force timeout 60 "$BED/run" ssh -F "$BED/ssh_config" \
		-o PasswordAuthentication=yes -o NumberOfPasswordPrompts=1 "${@:2}" 2>&1
}
printf '#!/bin/sh\nprintf "%%s\\n" "$ASK"\n' >"$WORK/askpass"
chmod +x "$WORK/askpass"
key() { # NAME: one key of [auth]
	sed -i "/^\[auth\]/,/^\[/ { /^$1 *=/d }; s|^\[auth\]|[auth]\n$1 = $2|" "$BED/sshbay.ini"
}
methods() {
	key methods "$1"
	bay reload >/dev/null || not_ok "reload with methods = $1"
}
audit() { tail -n "${1:-5}" "$BED/log/audit.log"; }

# --- passwords ---
is "the right password" pat "$(askpass 'correct horse' -o PreferredAuthentications=password pat+team@gate 'id -un')"
like "the audit log knows the method, and no key" '"ev":"auth.ok".*"user":"pat","method":"password","result"' "$(audit 9 | grep auth.ok)"
like "the list of methods" 'Permission denied \(publickey,password\)' "$(askpass wrong -o PreferredAuthentications=password pat+team@gate true)"
is "a wrong one" refused "$(py password pat+team wrong)"
is "an empty one" refused "$(py password pat+team '')"
is "one with more behind it" refused "$(py password pat+team 'correct horse ')"
is "not ASCII" in "$(py password ulf+umlaut 'grün✓')"
is "not even UTF-8" refused "$(py bytes ulf+umlaut fffe80)"
is "the password and a NUL" refused "$(py bytes pat+team "$(printf 'correct horse' | od -An -tx1 | tr -d ' \n')00")"
is "500 characters" in "$(py password lou+endless "$LONG")"
is "500 characters, the last one wrong" refused "$(py password lou+endless "${LONG%x}y")"
is "20000 characters" refused "$(py password lou+endless "$(printf 'x%.0s' $(seq 20000))")"
is "the password and a request to change it" refused "$(py change pat+team 'correct horse')"
is "a workspace without a password" refused "$(py password nora+nopass 'correct horse')"
is "another workspace's password" refused "$(py password alice+nopass 'correct horse')"
is "a user who may not enter" refused "$(py password mallory+team 'correct horse')"
is "no such workspace" refused "$(py password pat+nothing 'correct horse')"
is "300 tries end after max_auth_tries" 6 "$(py tries pat+team 300)"
out=$(py timing pat+team mallory); r=$?
is "a user who does not exist takes as long ($out)" 0 $r
unlike "no password in any log" 'correct horse' "$(cat "$BED"/log/*)"
is "answers that nobody asked for" disconnected "$(py answers)"
like "are a violation" 'auth.protocol_violation.*rejected packet \(type 61\)' "$(audit 40)"

# --- chains ---
methods publickey,password
is "key and password" "partial password
in" "$(py chain "$BED/keys/carol" carol+team password 'correct horse')"
like "both are in the audit log" '"method":"publickey,password","fp":"SHA256:' "$(audit 9 | grep auth.ok)"
is "key and wrong password" "partial password
refused" "$(py chain "$BED/keys/carol" carol+team password 'wrong')"
like "ssh does both" '^carol$' "$(askpass 'correct horse' carol+team@gate 'id -un')"
is "the password alone" "not-allowed publickey" "$(py password carol+team 'correct horse')"
is "the key alone" "partial password
not-allowed password" "$(py chain "$BED/keys/carol" carol+team publickey)"
is "half a login and another user" "partial password
disconnected" "$(py other-user "$BED/keys/carol" carol+team pat+team 'correct horse')"
methods publickey,publickey
is "one key twice" "partial publickey
refused" "$(py chain "$BED/keys/carol" carol+team publickey)"

# --- PAM ---
mkdir "$WORK/pam.d"
cat >"$WORK/check" <<'E2'
#!/bin/sh
read -r text
case $text in
slow*) sleep 1 ;;
hang*) sleep 60 ;;
esac
[ "$PAM_USER:$text" = "carol:pam password" ] || [ "$PAM_USER:$text" = "carol:slow pam password" ] || exit 1
[ "$PAM_RHOST $PAM_TTY $PAM_SERVICE" = "127.0.0.1 ssh sshbay" ]
E2
chmod 755 "$WORK" "$WORK/check"
printf 'Please\033[31m\n' >"$WORK/notice"
cat >"$WORK/pam.d/sshbay" <<E2
auth optional pam_echo.so file=$WORK/notice
auth required pam_exec.so expose_authtok quiet $WORK/check
account required pam_permit.so
E2
inbed mount --bind "$WORK/pam.d" /etc/pam.d
methods 'publickey,keyboard-interactive keyboard-interactive'
out=$(py talk carol+team 'pam password')
like "a conversation" "prompts: \[\('Password: ', False\)\]" "$out"
like "texts of modules, without control characters" 'text: Please\\x1b\[31m' "$out"
like "it lets in" '^in$' "$out"
is "the wrong answer" refused "$(py talk carol+team 'wrong' | tail -1)"
is "no answer" refused "$(py talk carol+team '' | tail -1)"
like "an unknown user is asked the same" "'Password: ', False" "$(py talk mallory 'pam password')"
is "and never let in" refused "$(py talk mallory 'pam password' | tail -1)"
like "a name that cannot be is asked the same" "'Password: ', False" "$(py talk MALLORY 'pam password')"
is "a slow module" in "$(py talk carol+team 'slow pam password' | tail -1)"
is "a module that hangs" refused "$(py talk carol+team 'hang' | tail -1)"
like "is ended in time" 'PAM took too long' "$(audit 9)"
is "a user who takes longer than modules may" in "$(py talk-slowly carol+team 6 'pam password' | tail -1)"
t "nothing of it is left" await 10 no_pam
is "ssh: key, then PAM" carol "$(askpass 'pam password' -o PreferredAuthentications=publickey,keyboard-interactive carol+team@gate 'id -un' | tail -1)"
like "with partial success" 'Authenticated using "publickey" with partial success' \
	"$(askpass 'pam password' -v -o PreferredAuthentications=publickey,keyboard-interactive carol+team@gate true)"
py talk-slowly carol+team 6 'pam password' >"$WORK/killed" & job=$!
await 10 grep -q prompts "$WORK/killed"
inbed pgrep -x sshbay-pam | while read -r pid; do # of this bed's provisiond
	[ "$(ps -o ppid= "$pid" | tr -d ' ')" = "$(sed 's/ .*//' "$BED/pid/provisiond")" ] && kill -KILL "$pid"
done
wait $job
is "sshbay-pam killed in a conversation" refused "$(tail -1 "$WORK/killed")"
py talk-slowly carol+team 6 'pam password' >"$WORK/restarted" & job=$!
await 10 grep -q prompts "$WORK/restarted"
"$ROOT/scripts/testbed" kill "$BED" provisiond
"$ROOT/scripts/testbed" start "$BED" provisiond
wait $job
is "provisiond restarted in a conversation" disconnected "$(tail -1 "$WORK/restarted")"
t "sshbay-pam does not outlive it" await 10 no_pam
is "logins work again" in "$(py talk carol+team 'pam password' | tail -1)"
like "doctor is content" 'warning' "$(bay doctor)"
rm "$WORK/pam.d/sshbay"
like "doctor misses the service" 'keyboard-interactive, and there is no' "$(bay doctor)"
is "without it nobody is let in" refused "$(py talk carol+team 'pam password' | tail -1)"

# --- keys_command ---
mkdir -p "$WORK/cmd"
command() { # TEXT
	printf '#!/bin/bash\n%s\n' "$1" >"$WORK/cmd/keys"
	chmod 755 "$WORK/cmd/keys"
}
command "[ \"\$1\" = dave ] && cat $WORK/cmd/dave.pub"
ssh-keygen -q -t ed25519 -N '' -f "$WORK/cmd/dave"
key keys_command "$WORK/cmd/keys"
methods publickey
dave() { on -o IdentityFile="$WORK/cmd/dave" -l dave gate 'id -un' 2>&1 | tail -1; }
is "a key that only the command lists" dave "$(dave)"
like "the audit log says so" '"by":"keys_command' "$(audit 9 | grep auth.ok)"
like "it lists nobody else's" 'denied' "$(on -o IdentityFile="$WORK/cmd/dave" -l eve gate true 2>&1)"
command "sleep 1; cat $WORK/cmd/dave.pub"
is "a slow one" dave "$(dave)"
for bad in 'cat PUB; exit 1' 'cat PUB; kill -9 $$' 'cat PUB; sleep 60' 'yes | head -c 3000000; cat PUB' 'head -c 100000 /dev/urandom'; do
	command "${bad/PUB/$WORK/cmd/dave.pub}"
	like "one that fails: $bad" 'denied' "$(dave)"
done
is "the file's keys count all the same" alice "$(on alice@gate 'id -un')"
chmod 777 "$WORK/cmd/keys"
like "one that others can write is not run" 'denied' "$(dave)"
like "nor taken into the configuration" 'writable by group or others' "$(bay check 2>&1)"
key keys_command ''
methods publickey

# --- what a key permits ---
permit() { printf '%s %s\n' "$1" "$(cat "$BED/keys/carol.pub")" >"$BED/etc/keys/carol"; }
carol() { on carol@gate "$@" 2>&1; }
permit 'command="echo forced: $SSH_ORIGINAL_COMMAND"'
is "a forced command learns what was asked for" "forced: rm -rf ~" "$(carol 'rm -rf ~')"
is "also instead of a shell" "forced:" "$(carol -T </dev/null | sed 's/ *$//')"
is "and of sftp" "forced: internal-sftp" "$(carol -s sftp </dev/null)"
permit 'command="internal-sftp"'
echo hello >"$WORK/file"
is "internal-sftp is the server of the subsystem" 0 "$(timeout 30 "$BED/run" scp -q -F "$BED/ssh_config" "$WORK/file" carol@gate:file >/dev/null 2>&1; echo $?)"
inbed umount /etc/pam.d
finish
