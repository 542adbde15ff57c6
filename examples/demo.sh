#!/bin/sh
# demo.sh: an HSM does its job, in seven steps. Everything happens in a scratch
# directory that is removed at the end. `make demo` runs it.
set -eu

build=${BUILD:-build}
module=$(cd "$build" && pwd)/libholdfast-pkcs11.so
holdfast=$(cd "$build" && pwd)/holdfast
scratch=$(mktemp -d)
export HOLDFAST_HOME=$scratch/hsm

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }
finish() {
	"$holdfast" stop 2>/dev/null || true
	rm -rf "$scratch"
}
trap finish EXIT

cd "$scratch"
printf '12345678\n' > so-pin
printf 'correct horse\n' > pin
echo 'I, the undersigned, have seen an HSM sign this.' > letter.txt

step '1. A private HSM starts by itself: its own process, sandboxed'
run "$holdfast" status

step '2. A partition with its security officer and its user'
run "$holdfast" partition create demo --so-pin-file so-pin --pin-file pin

step '3. A key pair, made inside; the private half never leaves'
run "$holdfast" key generate --type ec:P-256 --label letters --id 01 --pin-file pin
run "$holdfast" object list --pin-file pin

step '4. An ordinary PKCS#11 program signs a file with it'
run pkcs11-tool --module "$module" --token-label demo --login --pin "$(cat pin)" \
	--sign --mechanism ECDSA-SHA256 --id 01 --signature-format openssl \
	--input-file letter.txt --output-file letter.sig
run pkcs11-tool --module "$module" --token-label demo \
	--read-object --type pubkey --id 01 --output-file public.der

step '5. Another program, OpenSSL, verifies the signature'
run openssl dgst -sha256 -verify public.der -keyform DER -signature letter.sig letter.txt

step '6. The private key does not come out, whoever asks'
run "$holdfast" object show --class private --id 01 --pin-file pin | grep -E '^(VALUE|LABEL|SENSITIVE|NEVER_EXTRACTABLE) '

step '7. What the HSM wrote down of all this, chained and signed'
run "$holdfast" audit show --count 12

step 'Done. The HSM stops and its scratch directory goes.'
