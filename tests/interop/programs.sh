#!/bin/bash
# programs.sh BUILD PROGRAM: other people's programs use the module, with an instance
# of their own. Skips with a message where the program is not installed.
set -euo pipefail
build=$(cd "$1" && pwd)
module=$build/libholdfast-pkcs11.so
scratch=$(mktemp -d)
export HOLDFAST_HOME=$scratch/home
cd "$scratch"
trap '"$build/holdfast" stop >/dev/null 2>&1 || true; rm -rf "$scratch"' EXIT

skip() { echo "skipped: $*"; exit 77; }
need() { command -v "$1" >/dev/null || skip "$1 is not installed"; }
tool() { pkcs11-tool --module "$module" "$@"; }

# A partition with an RSA and a P-256 key, made by pkcs11-tool alone.
partition() {
	need pkcs11-tool
	tool --init-token --slot-index 0 --label t --so-pin 12345678
	tool --login --login-type so --so-pin 12345678 --init-pin --pin 87654321
	tool --login --pin 87654321 --keypairgen --key-type rsa:2048 --label rsa --id 01
	tool --login --pin 87654321 --keypairgen --key-type EC:prime256v1 --label ec --id 02
	echo 'to be signed' >data
} >/dev/null

pkcs11_tool() {
	partition
	tool --login --pin 87654321 --keypairgen --key-type EC:edwards25519 --label ed --id 03 >/dev/null
	tool --login --pin 87654321 --test >out 2>&1 || { cat out; exit 1; }
	cat out
	grep -q '^No errors' out
	tool --login --pin 87654321 --sign --mechanism SHA256-RSA-PKCS --id 01 -i data -o sig
	tool --read-object --type pubkey --id 01 -o pub.der
	openssl dgst -sha256 -verify pub.der -keyform DER -signature sig data
	tool --login --pin 87654321 --delete-object --type privkey --id 03
	! tool --login --pin 87654321 --list-objects --type privkey | grep -q 'ed$'
	pkcs11-tool --version 2>&1 | head -n 1 || true
}

p11tool_() {
	need p11tool
	partition
	export GNUTLS_PIN=87654321
	p11tool --provider "$module" --batch --login --list-all 'pkcs11:token=t' | grep -q 'Label: rsa'
	p11tool --provider "$module" --batch --login --generate-privkey=rsa --bits 2048 --label gnutls \
		'pkcs11:token=t' --outfile gnutls.pem
	p11tool --provider "$module" --batch --login --test-sign 'pkcs11:token=t;object=gnutls'
	p11tool --provider "$module" --batch --login --test-sign 'pkcs11:token=t;object=ec'
	p11tool --version | head -n 1
}

openssl_engine() {
	partition
	openssl engine -t pkcs11 >/dev/null 2>&1 || skip 'OpenSSL has no PKCS#11 engine here (libengine-pkcs11-openssl)'
	cat >engine.cnf <<-EOF
	openssl_conf = o
	[o]
	engines = e
	[e]
	pkcs11 = p
	[p]
	engine_id = pkcs11
	MODULE_PATH = $module
	PIN = 87654321
	init = 0
	EOF
	for k in rsa ec; do
		OPENSSL_CONF=engine.cnf openssl dgst -engine pkcs11 -keyform engine -sha256 \
			-sign "pkcs11:token=t;object=$k;type=private" -out sig data
		OPENSSL_CONF=engine.cnf openssl pkey -engine pkcs11 -inform engine -pubin \
			-in "pkcs11:token=t;object=$k;type=public" -pubout -out pub.pem
		openssl dgst -sha256 -verify pub.pem -signature sig data
	done
	OPENSSL_CONF=engine.cnf openssl req -new -x509 -engine pkcs11 -keyform engine -subj /CN=t \
		-key 'pkcs11:token=t;object=ec;type=private' -out cert.pem
	openssl verify -CAfile cert.pem cert.pem
	openssl version
}

holdfast_cli() {
	printf '12345678\n' >so
	printf '87654321\n' >pin
	hf() { "$build/holdfast" "$@"; }
	hf partition create cli --so-pin-file so --pin-file pin
	echo 'to be signed' >data
	for type in rsa:2048 ec:P-384 ed25519 ml-dsa-65 aes:256; do
		hf key generate --type "$type" --label "$type" --pin-file pin
		hf sign --key "$type" --pin-file pin --in data --out sig
		hf verify --key "$type" --pin-file pin --in data --signature sig
		echo x >>data
		! hf verify --key "$type" --pin-file pin --in data --signature sig 2>/dev/null
	done
	hf object list --pin-fd 7 --json 7<pin | python3 -c 'import json,sys; assert len(json.load(sys.stdin)) == 9'
	[ "$(hf random --bytes 16 | wc -c)" = 33 ]
	hf audit show --from 1 >/dev/null
	hf object delete --label aes:256 --yes --pin-file pin
	hf partition delete cli --yes
	[ "$(hf partition list --json)" = '[]' ]
	bash -n <(hf completion)
	for bad in 'nonsense' 'key generate' 'key generate --type rsa:7 --label x' 'object' 'status --nope'; do
		! hf $bad 2>err || exit 1
		[ -s err ] || [ "$bad" = object ]
	done
}

case $2 in
pkcs11-tool) pkcs11_tool ;;
p11tool) p11tool_ ;;
openssl-engine) openssl_engine ;;
holdfast-cli) holdfast_cli ;;
*) echo "no such program: $2" >&2; exit 2 ;;
esac
