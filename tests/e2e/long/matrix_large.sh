#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The matrix of clients with large transfers and every exit code.
here=$(cd "$(dirname "$0")/../clients" && pwd)
MATRIX_MB=100 MATRIX_FEW_MB=20 MATRIX_LIMIT=120 MATRIX_CODES=$(seq -s ' ' 0 255) exec "$here/matrix.sh"
