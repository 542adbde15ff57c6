#!/bin/sh
# ceremony.sh: an HSM as an institution, from the first share to the last key:
# custodians, two partitions with their officers and policies, a user who only signs,
# a key whose use two others approve, tamper, and the end.
# BUILD says where holdfast is built.
set -eu
bin=${BUILD:-build}/holdfast
dir=$(mktemp -d)
export HOLDFAST_HOME="$dir/hsm"
mkdir "$HOLDFAST_HOME"
trap '"$bin" stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT

hf() { "$bin" "$@"; }
say() { printf '\n== %s\n' "$*"; }
refused() { # refused NAME COMMAND...: it must fail, with this error
	name=$1; shift
	if "$@" >"$dir/out" 2>&1; then echo "should have been refused: $*"; exit 1; fi
	grep -q "($name)" "$dir/out" || { cat "$dir/out"; exit 1; }
	sed 's/^/refused: /' "$dir/out"
}
pin() { printf '%s\n' "$2" >"$dir/$1"; printf '%s' "$dir/$1"; }

so_a=$(pin so_a officer-of-a); so_b=$(pin so_b officer-of-b)
user_a=$(pin user_a crypto-officer-of-a); user_b=$(pin user_b crypto-officer-of-b)
signer=$(pin signer pin-of-signer); custodian=$(pin custodian passphrase-of-a-custodian)
printf 'tamper-action = lock\n' >"$HOLDFAST_HOME/holdfast.conf"

say "3 of 5 custodians hold the root key"
hf quorum create 3/5 --out "$dir" --pin-file "$custodian" --yes
hf stop
sleep 1
for i in 1 3 5; do hf quorum share "$dir/share-$i.json" --pin-file "$custodian"; done

say "two partitions, each with its officer and its policies"
hf partition create a --so-pin-file "$so_a" --pin-file "$user_a"
hf partition create b --so-pin-file "$so_b" --pin-file "$user_b"
hf policy set --partition a private-key-wrapping=no raw-rsa=no curves=nist --so-pin-file "$so_a"
hf policy set --partition b max-failed-logins=5 user-lock-out=2 --so-pin-file "$so_b"
refused PIN_INCORRECT hf policy set --partition b raw-rsa=no --so-pin-file "$so_a"

say "a crypto user signs, and deletes nothing"
hf user set signer --partition a --so-pin-file "$so_a" --pin-file "$signer"
hf user set second --partition a --so-pin-file "$so_a" --pin-file "$signer"
hf key generate --partition a --type ec:P-256 --label api --pin-file "$user_a"
echo data >"$dir/data"
hf sign --partition a --user signer --key api --in "$dir/data" --out "$dir/sig" --pin-file "$signer"
hf verify --partition a --key api --in "$dir/data" --signature "$dir/sig" --pin-file "$user_a"
refused DENIED hf object delete --partition a --label api --yes \
	--pin-file "$(pin named signer:pin-of-signer)"

say "a key whose use two others approve"
hf key guard --partition a --key api --approvers 2:signer,second --pin-file "$user_a"
sign="$bin sign --partition a --key api --in $dir/data --out $dir/sig2 --pin-file $user_a"
refused APPROVAL $sign
number=$(hf key request --partition a --key api --pin-file "$user_a" --json | tr -dc 0-9)
for who in signer second; do
	hf key approve "$number" --partition a --user $who --key api --pin-file "$signer"
done
$sign
refused APPROVAL $sign

say "tamper: locked until three custodians agree"
hf tamper report "the lid is open"
refused TAMPERED hf partition list
refused QUORUM hf tamper clear
hf quorum status
hf quorum share "$dir/share-1.json" --pin-file "$custodian"
refused SHARE_TWICE hf quorum share "$dir/share-1.json" --pin-file "$custodian"
for i in 3 4; do hf quorum share "$dir/share-$i.json" --pin-file "$custodian"; done
hf tamper clear
hf partition list

say "the end"
hf zeroize --yes
refused ZEROIZED hf partition list
hf status | sed -n '/^state/p'
