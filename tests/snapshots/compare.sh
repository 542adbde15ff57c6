#!/bin/sh
# compare.sh DUMP LIST FILE: what the list says must be what the file says.
# UPDATE_SNAPSHOTS=1 writes the file anew; the diff is then for the commit.
set -eu
new=$(mktemp)
trap 'rm -f "$new"' EXIT
"$1" "$2" >"$new"
if [ "${UPDATE_SNAPSHOTS:-}" = 1 ]; then
	cp "$new" "$3"
fi
if ! diff -u "$3" "$new"; then
	echo "$2 changed; if that is meant, UPDATE_SNAPSHOTS=1 and commit $3" >&2
	exit 1
fi
