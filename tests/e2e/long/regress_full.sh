#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# OpenSSH's scripts with all their waits, and every key exchange with every AEAD cipher.
here=$(cd "$(dirname "$0")/../clients" && pwd)
REGRESS_LONG=1 REGRESS_LIMIT=400 exec "$here/regress.sh"
