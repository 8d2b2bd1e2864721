#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What people run on top of ssh, each as it does it: editors that install a server, git, rsync, containers' clients, shell idioms.
# shellcheck disable=SC2016 # what stands in quotes is for the other side
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
INNER=172.31.199.1
bed_up - <<INI
[workspace alice]
users = alice
control_ip = $INNER
INI
CONF=$BED/ssh_config TMP=$WORK/tmp
mkdir "$TMP" "$TMP/tree"
S=("$BED/run" timeout 100 ssh -F "$CONF" -o BatchMode=yes) # what runs beside is started by this, so that its pid can be killed
s() { "${S[@]}" "$@"; }
tools() { inbed timeout 200 /usr/bin/python3 "$here/tools.py" "$@"; }
SSH=(ssh -F "$CONF" -o BatchMode=yes alice@gate)
same() { [ "$1" = "$2" ] || { echo "want '$1', got '$2'"; return 1; }; }
sum() { sha256sum | cut -d' ' -f1; }
for i in $(seq 200); do echo "file $i" >"$TMP/tree/file $i"; done
mkdir "$TMP/tree/d" && ln -s ../file\ 1 "$TMP/tree/d/l" && ln "$TMP/tree/file 2" "$TMP/tree/d/hard" && chmod 750 "$TMP/tree/d"
head -c 6M /dev/urandom >"$TMP/data"
SUM=$(sum <"$TMP/data")
listing() { (cd "$1" && find . -printf '%P %y %m %s %l\n' | grep -v '^ ' | sort | sum); }
there() { s alice@gate "cd $1 && find . -printf '%P %y %m %s %l\n' | grep -v '^ ' | sort | sha256sum | cut -d' ' -f1"; }

# --- tar through pipes; it brings Python to the workspace, which editors and ansible want there ---
PYTHON="python3-minimal python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libexpat1 libffi8 libbz2-1.0 liblzma5 libssl3"
# shellcheck disable=SC2086 # words
dpkg -L $PYTHON 2>/dev/null | while IFS= read -r f; do [ -d "$f" ] || echo "$f"; done >"$TMP/python"
pipe_in() { tar -C / -T "$TMP/python" -c 2>/dev/null | s alice@gate 'sudo tar -C / -x --skip-old-files' && s alice@gate 'python3 -c "import json, ssl, http.server"'; }
t "tar into the workspace: a Python that runs" pipe_in
s alice@gate 'cat >tools.py' <"$here/tools.py"
pipe_out() { tar -C "$TMP/tree" -c . | s alice@gate 'mkdir t && tar -C t -x' && mkdir "$TMP/out" && s alice@gate 'tar -C t -c .' | tar -C "$TMP/out" -x && same "$(listing "$TMP/tree")" "$(listing "$TMP/out")"; }
t "tar there and back" pipe_out
pipe_cut() {
	same 100000 "$(s alice@gate 'echo $$ >pid; exec cat /dev/zero' | head -c 100000 | wc -c)"
	await 30 s alice@gate '! kill -0 "$(cat pid)" 2>/dev/null'
}
t "a reader that leaves ends the writer" pipe_cut

# --- VS Code Remote-SSH ---
# A shell that gets its script on stdin, a detached server, and all traffic through -D of that connection, whose shell stays.
cat >"$TMP/bootstrap" <<'SCRIPT'
DIR="$HOME/.vscode-server"; mkdir -p "$DIR/www"; cd "$DIR" || exit 1
echo "platform==$(uname -s)=="
if read -r pid port 2>/dev/null <pid && kill -0 "$pid" 2>/dev/null; then
	echo "found==running=="
else
	rm -f pid
	head -c 3000000 /dev/zero | tr '\0' v >www/big; echo workbench >www/index.html
	nohup python3 "$HOME/tools.py" http "$DIR/www" "$DIR/pid" >log 2>&1 </dev/null &
	until [ -e pid ]; do sleep 0.05; done
	read -r pid port <pid
	echo "found==started=="
fi
echo "listeningOn==127.0.0.1:$port=="
echo "4a5b: end"
SCRIPT
vscode() { # PORT COMMAND...: run it with REMOTE set, while the connection is there
	local p status local_port=$1
	shift
	rm -f "$TMP/fifo" "$TMP/code.out"
	mkfifo "$TMP/fifo"
	: >"$TMP/code.out"
	"${S[@]}" -v -T -D "$local_port" -o ConnectTimeout=60 alice@gate bash <"$TMP/fifo" >"$TMP/code.out" 2>"$TMP/code.err" & p=$!
	exec 7>"$TMP/fifo"
	cat "$TMP/bootstrap" >&7
	await 50 grep -q '4a5b: end' "$TMP/code.out" || { tail "$TMP/code.err"; exec 7>&-; kill $p; return 1; }
	"$@"
	status=$?
	exec 7>&-
	reap $p 50 || status=1
	return $status
}
remote() { sed -n 's/^listeningOn==\(.*\)==$/\1/p' "$TMP/code.out"; }
fetch() { same workbench "$(inbed curl -sS -m 50 --socks5-hostname 127.0.0.1:4100 "http://$(remote)/")"; }
first() {
	local pids=() i
	fetch && grep -q 'found==started' "$TMP/code.out" || return
	for i in 1 2 3 4 5 6; do
		inbed curl -sS -m 50 --socks5-hostname 127.0.0.1:4100 "http://$(remote)/big" >"$TMP/big.$i" & pids+=($!)
	done
	wait "${pids[@]}"
	same 18000000 "$(cat "$TMP"/big.* | wc -c)"
}
t "VS Code: a server is installed and reached through -D" vscode 4100 first
second() { fetch && grep -q 'found==running' "$TMP/code.out"; }
t "VS Code: a second connection finds it running" vscode 4100 second
# The shell ends first; what goes through -D goes on, and the connection ends after it.
shell_first() {
	"$BED/run" curl -sS -m 50 --limit-rate 1500k --socks5-hostname 127.0.0.1:4100 "http://$(remote)/big" -o "$TMP/big.slow" & local c=$!
	await 30 test -s "$TMP/big.slow" && echo 'exit 0' >&7
	reap $c 60 && same 3000000 "$(stat -c %s "$TMP/big.slow")"
}
t "VS Code: a transfer through -D outlives the shell" vscode 4100 shell_first
probe() { same "Linux $(uname -rv)" "$(s alice@gate 'uname -srv')" && same 0x "$(s -o ClearAllForwardings=yes -D 4100 -R 4101:127.0.0.1:1 alice@gate 'ss -Htln "sport = :4101" | wc -l; echo x' | tr -d '\n')"; }
t "probes: uname, ClearAllForwardings" probe
master() {
	s -M -S "$TMP/ctl" -o ControlPersist=60 -fN alice@gate &&
		same "1 2 3 4 5 6" "$(for i in 1 2 3 4 5 6; do s -S "$TMP/ctl" alice@gate "echo $i"; done | xargs)" &&
		s -S "$TMP/ctl" -O forward -L "4102:$(remote)" alice@gate && same workbench "$(inbed curl -sS -m 50 http://127.0.0.1:4102/)" &&
		s -S "$TMP/ctl" -O cancel -L "4102:$(remote)" alice@gate && ! inbed curl -sS -m 5 http://127.0.0.1:4102/ 2>/dev/null &&
		s -S "$TMP/ctl" -O check alice@gate && s -S "$TMP/ctl" -O exit alice@gate
}
t "ControlMaster with commands, a forward that comes and goes" master

# --- JetBrains Gateway: upload a worker, run it, reach it by a port and by a socket ---
gateway() {
	local p said port
	inbed timeout 50 sftp -q -F "$CONF" -o BatchMode=yes -b - alice@gate >/dev/null <<<"-mkdir .cache
mkdir .cache/JetBrains
cd .cache/JetBrains
put $here/tools.py worker.py
chmod 755 worker.py
rename worker.py remote-dev-worker" || return
	"${S[@]}" alice@gate 'exec python3 .cache/JetBrains/remote-dev-worker worker /home/alice/.cache/JetBrains/s' >"$TMP/worker.out" & p=$!
	await 50 grep -q port "$TMP/worker.out" || return
	said=$(cat "$TMP/worker.out") port=$(sed 's/.*"port": \([0-9]*\).*/\1/' "$TMP/worker.out")
	"${S[@]}" -N -L "4110:127.0.0.1:$port" -L "$TMP/jb.sock:/home/alice/.cache/JetBrains/s" alice@gate & local f=$!
	await 50 test -S "$TMP/jb.sock" && await 50 inbed sh -c "ss -Htln 'sport = :4110' | grep -q ." &&
		same "$SUM" "$(inbed perl "$here/client/net.pl" talk 4110 <"$TMP/data" | sum)" &&
		same "$SUM" "$(perl "$here/client/net.pl" talk "$TMP/jb.sock" <"$TMP/data" | sum)"
	local status=$?
	[ $status = 0 ] || echo "the worker said $said"
	kill $f $p
	wait $f $p 2>/dev/null
	return $status
}
t "JetBrains: a worker is uploaded, and reached by port and by socket" gateway

# --- docker -H ssh:// ---
s alice@gate 'sudo tee /usr/local/bin/docker >/dev/null && sudo chmod 755 /usr/local/bin/docker' <<'SH'
#!/bin/sh
[ "$*" = "system dial-stdio" ] && exec python3 /home/alice/tools.py dial-stdio /home/alice/docker.sock
echo "docker: unknown command" >&2; exit 1
SH
s alice@gate 'setsid python3 tools.py dockerd docker.sock </dev/null >/dev/null 2>&1 & until [ -S docker.sock ]; do sleep 0.05; done'
t "docker: 6 attached streams at once, each half-closed" tools attach 6 200000 ssh -F "$CONF" -o ConnectTimeout=30 -T -l alice -- gate
dockers_mux() { s -M -S "$TMP/ctl2" -fN alice@gate && tools attach 8 50000 ssh -F "$CONF" -S "$TMP/ctl2" alice@gate && s -S "$TMP/ctl2" -O exit alice@gate; }
t "docker: 8 streams over one connection" dockers_mux

# --- terminals ---
t "Emacs TRAMP: a shell with its own prompt, files in base64" tools tramp /usr/bin/whoami "${SSH[@]}"
t "ssh -t: a program follows the window" tools window "${SSH[@]}"
t "ssh -t top" tools top "${SSH[@]}"
edited() { tools vi notes "${SSH[@]}" && same "hello from the terminal" "$(s alice@gate 'cat notes')"; }
t "ssh -t vi" edited
t "sudo on a terminal" same "0 /dev/pts" "$(s -tt alice@gate 'sudo sh -c "echo \$(id -u) \$(tty | cut -c1-8)"' </dev/null 2>/dev/null | tr -d '\r')"

# --- git ---
export GIT_SSH_COMMAND="ssh -F $CONF -o BatchMode=yes" GIT_CONFIG_GLOBAL=$TMP/gitconfig GIT_CONFIG_NOSYSTEM=1
git config --file "$TMP/gitconfig" user.name T && git config --file "$TMP/gitconfig" user.email t@example.org
g() { inbed timeout 100 git "$@"; }
repository() {
	local i
	s alice@gate 'git init -q --bare -b main repo.git' && git init -q -b main "$TMP/repo" || return
	for i in 1 2 3; do echo $i >"$TMP/repo/a" && git -C "$TMP/repo" add a && git -C "$TMP/repo" commit -qm "$i" || return; done
	cp "$TMP/data" "$TMP/repo/big" && git -C "$TMP/repo" add big && git -C "$TMP/repo" commit -qm big && g -C "$TMP/repo" push -q alice@gate:repo.git main &&
		g clone -q alice@gate:repo.git "$TMP/clone" && cmp "$TMP/data" "$TMP/clone/big" &&
		g clone -q --depth 1 ssh://alice@gate/home/alice/repo.git "$TMP/shallow" && same 1 "$(git -C "$TMP/shallow" rev-list --count HEAD)" &&
		g -C "$TMP/shallow" fetch -q --unshallow && same 4 "$(git -C "$TMP/shallow" rev-list --count HEAD)" || return
	echo 5 >"$TMP/clone/a" && git -C "$TMP/clone" commit -qam 5 && g -C "$TMP/clone" push -q && g -C "$TMP/repo" pull -q alice@gate:repo.git main && same 5 "$(cat "$TMP/repo/a")" || return
	same "a big" "$(g archive --remote=alice@gate:repo.git main | tar t | xargs)"
}
t "git: push, clone, shallow, unshallow, pull, archive" repository

# --- rsync ---
r() { inbed timeout 100 rsync -e "ssh -F $CONF -o BatchMode=yes" "$@"; }
copies() {
	r -aH "$TMP/tree/" alice@gate:r/ && same "$(listing "$TMP/tree")" "$(there r)" || return
	echo more | s alice@gate 'cat >r/extra' && rm "$TMP/tree/file 9" && r -aHz --delete "$TMP/tree/" alice@gate:r/ && same "$(listing "$TMP/tree")" "$(there r)" || return
	r -aH alice@gate:r/ "$TMP/back/" && same "$(listing "$TMP/tree")" "$(listing "$TMP/back")"
}
t "rsync: tree there and back, --delete, -z" copies
resumed() {
	head -c 2M "$TMP/data" | s alice@gate 'cat >part' && r --append-verify --partial "$TMP/data" alice@gate:part && same "$SUM" "$(s alice@gate 'sha256sum <part' | cut -d' ' -f1)" &&
		r --bwlimit=100m --inplace --no-whole-file alice@gate:part "$TMP/part" && same "$SUM" "$(sum <"$TMP/part")"
}
t "rsync: resumed upload, download in place" resumed
as_root() { r -a --rsync-path='sudo rsync' "$TMP/tree/d" alice@gate:/root/ && same "0 root" "$(s alice@gate 'sudo stat -c "%u %U" /root/d' | sed 's/^[0-9]*/0/')" && s alice@gate 'sudo test -L /root/d/l && ! test -e /root/d/l'; }
t "rsync: --rsync-path 'sudo rsync'" as_root

# --- scp, sftp ---
between() {
	inbed timeout 100 scp -q -3 -F "$CONF" alice@gate:part bob@gate:part3 && same "$SUM" "$(s bob@gate 'sha256sum <part3' | cut -d' ' -f1)" &&
		inbed timeout 100 scp -q -O -3 -r -F "$CONF" alice@gate:t bob@gate:t3 && same "202 file 7" "$(s bob@gate 'find t3 -type f | wc -l; cat "t3/file 7"' | xargs)"
}
t "scp -3: from workspace to workspace" between
jumped() { inbed timeout 100 scp -q -F "$CONF" -o ProxyJump=alice@gate "$TMP/data" "alice@$INNER:j" && same "$SUM" "$(s alice@gate 'sha256sum <j' | cut -d' ' -f1)"; }
t "scp through a jump" jumped
no_file() { inbed timeout 100 scp -F "$CONF" alice@gate:none "$TMP/" 2>"$TMP/err"; same 1 $? && grep -q 'No such file' "$TMP/err"; }
t "scp of what is not there says so" no_file

# --- what people write into scripts ---
back() { # -f returns when the command has been started, and it goes on alone
	s -f alice@gate 'until [ -e go ]; do sleep 0.05; done; echo went >went' && s alice@gate '[ ! -e went ]; touch go' && await 50 s alice@gate 'grep -q went went'
}
t "ssh -f: the command goes on by itself" back
t "ssh -n: leaves stdin alone" same "1 a 2 b" "$(printf 'a\nb\n' | { i=0; while read -r l; do i=$((i + 1)); s -n alice@gate "cat; echo $i $l"; done; } | xargs)"
t "ssh without -n eats it" same "1 a b" "$(printf 'a\nb\n' | { while read -r l; do s alice@gate "echo 1 $l; cat"; done; } | xargs)"
t "RemoteCommand with RequestTTY" same "x /dev/pts" "$(s -o RemoteCommand='echo x $(tty | cut -c1-8)' -o RequestTTY=force alice@gate </dev/null 2>/dev/null | tr -d '\r')"
refused_command() { s -o RemoteCommand=true alice@gate other 2>"$TMP/err"; same 255 $?; }
t "RemoteCommand and a command" refused_command
hook() { same "alice gate 2222 done" "$(s -o PermitLocalCommand=yes -o LocalCommand='echo %r %n %p' alice@gate 'echo done' | xargs)"; }
t "PermitLocalCommand" hook
t "xargs -P 8: 40 commands" same "$(seq 40 | xargs)" "$(seq 40 | inbed xargs -P 8 -I{} timeout 100 ssh -F "$CONF" -o BatchMode=yes alice@gate 'echo {}' | sort -n | xargs)"
here_document() {
	same "line 1 line 2 3" "$(s alice@gate 'bash -s' <<'X' | xargs
echo line 1
cat <<Y
line 2
Y
exit_of() { return 3; }; exit_of; echo $?
X
)"
}
t "a script on the stdin of bash -s" here_document
quoting() { same "a'b \"c\" \$d * ;" "$(s alice@gate "echo 'a'\\''b \"c\" \$d * ;'")" && same "x  y" "$(s alice@gate printf '"%s"' "'x  y'")"; }
t "quoting reaches the shell as it is" quoting
detached() { s alice@gate 'nohup sleep 3000 >/dev/null 2>&1 & echo $!' >"$TMP/nohup" && s alice@gate "kill -0 $(cat "$TMP/nohup") && kill $(cat "$TMP/nohup")"; }
t "nohup and & let ssh go, and live on" detached
held() { s alice@gate 'sleep 2 & echo now' >"$TMP/held"; same 0 $? && same now "$(cat "$TMP/held")"; }
t "a job that holds stdout keeps ssh, and no error comes of it" held
interrupted() {
	"${S[@]}" alice@gate 'echo $$ >pid2; while echo; do sleep 0.1; done' >/dev/null & local p=$!
	await 50 s alice@gate 'test -s pid2 && kill -0 "$(cat pid2)"' && kill $p && await 50 s alice@gate '! kill -0 "$(cat pid2)" 2>/dev/null'
}
t "a client that is interrupted leaves nothing that writes" interrupted
# autossh: a forward that cannot be had ends the connection, so that it can be tried again.
again() {
	"${S[@]}" -N -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -o ExitOnForwardFailure=yes -R 4120:127.0.0.1:2222 alice@gate & local p=$!
	await 50 s alice@gate 'ss -Htln "sport = :4120" | grep -q .' || return
	s -N -o ExitOnForwardFailure=yes -R 4120:127.0.0.1:2222 alice@gate 2>"$TMP/err"
	same 255 $? && grep -q 'remote port forwarding failed for listen port 4120' "$TMP/err" || return
	kill $p
	wait $p 2>/dev/null
	await 50 s -o ExitOnForwardFailure=yes -R 4120:127.0.0.1:2222 alice@gate 'head -c 8 </dev/tcp/127.0.0.1/4120 | grep SSH-2.0'
}
t "autossh: ExitOnForwardFailure, and the port is free after the first has ended" again
# The gate's keys are not the workspace's: the file is put there, and means nothing to the gate.
copy_id() {
	ssh-keygen -q -t ed25519 -N '' -f "$TMP/new" && inbed timeout 100 ssh-copy-id -f -i "$TMP/new.pub" -F "$CONF" alice@gate >"$TMP/copy-id" 2>&1
	same "0 1" "$? $(s alice@gate "grep -c '$(cut -d' ' -f2 "$TMP/new.pub")' .ssh/authorized_keys")" || { cat "$TMP/copy-id"; return 1; }
	inbed timeout 50 ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -i "$TMP/new" -p 2222 alice@127.0.0.1 true 2>"$TMP/err"
	same 255 $? && grep -q 'Permission denied' "$TMP/err"
}
t "ssh-copy-id writes a file inside, which opens no door" copy_id
finish
