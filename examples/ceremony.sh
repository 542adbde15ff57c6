#!/bin/sh
# ceremony.sh: an HSM as an institution, from the first share to the last key:
# custodians with their smartcards, two partitions with their officers and policies, a user
# who only signs, a key whose use two others approve, a statement that a stranger checks,
# tamper, and the end.
# BUILD says where holdfast is built; OTHER which holdfast the stranger has, that of another
# checkout for instance. Without Debian's virtual smartcards (pcscd, vsmartcard-vpcd,
# vsmartcard-vpicc) the shares lie in files.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${BUILD:-$here/../build}/holdfast
cards="python3 -B $here/cards.py"
dir=$(mktemp -d)
export HOLDFAST_HOME="$dir/hsm"
mkdir "$HOLDFAST_HOME" "$dir/stranger"
service=
finish() {
	for home in hsm other; do HOLDFAST_HOME=$dir/$home "$bin" stop >/dev/null 2>&1 || true; done
	if [ -n "$service" ]; then kill "$service"; wait "$service" || true; fi
	rm -rf "$dir"
}
trap finish EXIT

hf() { "$bin" "$@"; }
say() { printf '\n== %s\n' "$*"; }
refused() { # refused WHY COMMAND...: it must fail, and say this
	why=$1; shift
	if "$@" >"$dir/out" 2>&1; then echo "should have been refused: $*"; exit 1; fi
	grep -q "$why" "$dir/out" || { cat "$dir/out"; exit 1; }
	sed 's/^/refused: /' "$dir/out"
}
pin() { printf '%s\n' "$2" >"$dir/$1"; printf '%s' "$dir/$1"; }

so_a=$(pin so_a officer-of-a); so_b=$(pin so_b officer-of-b)
user_a=$(pin user_a crypto-officer-of-a); user_b=$(pin user_b crypto-officer-of-b)
signer=$(pin signer pin-of-signer); custodian=$(pin custodian "passphrase-of-a-custodian
passphrase-of-a-custodian
passphrase-of-a-custodian
passphrase-of-a-custodian
passphrase-of-a-custodian")
card_pin=$(pin card_pin 1234)
printf 'tamper-action = lock\n' >"$HOLDFAST_HOME/holdfast.conf"

# The custodians, with cards or with files: deal hands out all shares, share N gives one.
missing=$($cards missing 2>/dev/null) || missing=python3
if [ -z "$missing" ]; then
	kept='on smartcards'
	mkfifo "$dir/ready"
	$cards serve "$dir" 5 >"$dir/ready" &
	service=$!
	read -r PCSCLITE_CSOCK_NAME reader <"$dir/ready"
	export PCSCLITE_CSOCK_NAME
	deal() { $cards deal "$dir" "$bin" quorum create "$@" --card "$reader" --pin-file "$card_pin" --yes; }
	share() { $cards put "$dir" "$1" && hf quorum share --card "$reader" --pin-file "$card_pin"; }
else
	kept="in files: NOT on smartcards, for want of $missing"
	deal() { hf quorum create "$@" --out "$dir" --pin-file "$custodian" --yes; }
	share() { hf quorum share "$dir/share-$1.json" --pin-file "$custodian"; }
fi

say "3 of 5 custodians hold the root key, $kept"
deal 3/5 --names anna,bert,carla,dora,emil
hf stop
refused "quorum share" hf partition list
for i in 1 3 5; do share $i; done

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

say "a stranger, who has the root's certificate and no HSM, checks where the key was made"
hf attest root --out "$dir/stranger/root.pem"
hf attest create --partition a --key api --form cose --pin-file "$user_a" --out "$dir/stranger/api.cose"
cp "${OTHER:-$bin}" "$dir/stranger/holdfast"
check() { (cd "$dir/stranger" && HOLDFAST_HOME=$dir/none ./holdfast attest verify "$@"); }
check --root root.pem api.cose
refused "not made for this --nonce" check --root root.pem --nonce 00112233445566778899aabbccddeeff api.cose
other() { HOLDFAST_HOME=$dir/other hf "$@"; }
other attest root --out "$dir/stranger/other.pem"
refused "of another HSM" check --root other.pem api.cose
[ ! -e "$dir/none" ]

say "a key whose use two others approve"
hf key guard --partition a --key api --approvers 2:signer,second --pin-file "$user_a"
sign() { hf sign --partition a --key api --in "$dir/data" --out "$dir/sig2" --pin-file "$user_a"; }
refused APPROVAL sign
number=$(hf key request --partition a --key api --in "$dir/data" --pin-file "$user_a" --json | tr -dc 0-9)
approve() { hf key approve "$number" --partition a --user "$1" --in "$2" --pin-file "$signer"; }
refused "not for the data" approve signer "$user_a"
for who in signer second; do approve $who "$dir/data"; done
refused APPROVAL hf sign --partition a --key api --in "$signer" --out "$dir/sig3" --pin-file "$user_a"
sign
refused APPROVAL sign

say "tamper: locked until three custodians agree"
hf tamper report "the lid is open"
refused TAMPERED hf partition list
refused QUORUM hf tamper clear
hf quorum status
share 1
refused SHARE_TWICE share 1
for i in 3 4; do share $i; done
hf tamper clear
hf partition list

say "the end"
hf zeroize --yes
refused ZEROIZED hf partition list
hf status | sed -n '/^state/p'
say "done; the shares were kept $kept"
