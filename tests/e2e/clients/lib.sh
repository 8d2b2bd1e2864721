# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the client tests share, beyond tests/lib.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"

init_pid() { bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])'; }

# npm's ssh2, pinned, without its optional native parts, kept beside the images: print the folder for NODE_PATH, or the reason on stderr.
SSH2_VERSION=1.16.0
ssh2_home() {
	local dir=${SSHBAY_IMAGE_CACHE:-/var/cache/sshbay}/ssh2-$SSH2_VERSION
	if [ ! -e "$dir/node_modules/ssh2/package.json" ]; then
		command -v node >/dev/null || { echo "nodejs is not installed" >&2; return 1; }
		command -v npm >/dev/null || { echo "npm is not installed" >&2; return 1; }
		rm -rf "$dir.new" && mkdir -p "$dir.new" || return
		if ! (cd "$dir.new" && timeout 60 npm install --silent --no-audit --no-fund --omit=optional --ignore-scripts "ssh2@$SSH2_VERSION") >"$dir.log" 2>&1; then
			rm -rf "$dir.new"
			echo "npm cannot install ssh2 (see $dir.log)" >&2
			return 1
		fi
		rm -rf "$dir" && mv "$dir.new" "$dir"
	fi
	echo "$dir/node_modules"
}
