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

# engine writes a configuration for programs that use OpenSSL's engine of libp11.
engine() {
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
}

openssl_engine() {
	partition
	engine
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

ssh() {
	need ssh-agent
	partition
	ssh-keygen -D "$module" >keys
	[ "$(wc -l <keys)" = 2 ] || { cat keys; exit 1; }
	grep ecdsa-sha2-nistp256 keys >ec.pub
	printf '#!/bin/sh\necho 87654321\n' >askpass
	chmod +x askpass
	# The agent loads modules from system directories only, unless told.
	eval "$(ssh-agent -P "$module")" >/dev/null
	SSH_ASKPASS=$scratch/askpass SSH_ASKPASS_REQUIRE=force ssh-add -s "$module"
	ssh-keygen -q -Y sign -f ec.pub -n file data
	ssh-keygen -Y check-novalidate -n file -s data.sig <data
	ssh-add -e "$module"
	ssh-agent -k >/dev/null
	command ssh -V
}

p11_kit() {
	need p11-kit
	partition
	export XDG_RUNTIME_DIR=$scratch
	eval "$(p11-kit server --provider "$module" 'pkcs11:token=t')"
	client=$(find /usr/lib /usr/local/lib -name p11-kit-client.so 2>/dev/null | head -n 1)
	[ -n "$client" ] || skip 'p11-kit-client.so is not installed'
	pkcs11-tool --module "$client" --login --pin 87654321 --sign --mechanism SHA256-RSA-PKCS --id 01 \
		-i data -o sig
	tool --read-object --type pubkey --id 01 -o pub.der
	openssl dgst -sha256 -verify pub.der -keyform DER -signature sig data
	kill "$P11_KIT_SERVER_PID"
	dpkg-query -W -f 'p11-kit ${Version}\n' p11-kit 2>/dev/null || true
}

nss() {
	need modutil
	need certutil
	partition
	mkdir db
	printf '87654321\n' >pin
	certutil -N -d sql:db --empty-password
	modutil -dbdir sql:db -add holdfast -libfile "$module" -force >/dev/null 2>&1
	modutil -dbdir sql:db -list holdfast 2>/dev/null | grep -q 'Token Name: *t'
	head -c 64 /dev/urandom >noise
	for type in rsa ec; do
		certutil -S -x -d sql:db -h t -f pin -n "$type-cert" -s "CN=$type" -t ,, -z noise -k "$type" \
			$([ $type = ec ] && echo -q nistp256) >/dev/null 2>&1
		certutil -L -d sql:db -h t -f pin -n "t:$type-cert" -a >cert.pem
		openssl verify -CAfile cert.pem cert.pem
	done
	certutil -K -d sql:db -h t -f pin | grep -q rsa-cert
	dpkg-query -W -f 'NSS ${Version}\n' libnss3-tools 2>/dev/null || true
}

java() {
	need keytool
	need jarsigner
	partition
	printf 'name = holdfast\nlibrary = %s\nslotListIndex = 0\n' "$module" >p11.cfg
	store=(-keystore NONE -storetype PKCS11 -storepass 87654321
		-providerClass sun.security.pkcs11.SunPKCS11 -providerArg p11.cfg)
	keytool -genkeypair "${store[@]}" -alias rsa-java -keyalg RSA -keysize 2048 -dname CN=rsa
	keytool -genkeypair "${store[@]}" -alias ec-java -keyalg EC -groupname secp256r1 -dname CN=ec
	keytool -genseckey "${store[@]}" -alias aes-java -keyalg AES -keysize 256
	keytool -list "${store[@]}" >list
	grep -q 'aes-java, *SecretKeyEntry' list
	python3 -c 'import zipfile; zipfile.ZipFile("plain.jar", "w").write("data")' # no jar(1) in a JRE
	for alias in rsa-java ec-java; do
		jarsigner "${store[@]}" -signedjar "$alias.jar" plain.jar "$alias" >out 2>&1 || { cat out; exit 1; }
		jarsigner -verify "$alias.jar" >out
		grep -q 'jar verified' out
	done
	keytool -delete "${store[@]}" -alias rsa-java
	command java -version 2>&1 | head -n 1
}

tls() {
	need nginx
	need curl
	partition
	engine
	export OPENSSL_CONF=$scratch/engine.cnf
	openssl req -new -x509 -engine pkcs11 -keyform engine -subj /CN=localhost -addext \
		subjectAltName=DNS:localhost -key 'pkcs11:token=t;object=ec;type=private' -out cert.pem 2>/dev/null
	openssl req -new -x509 -engine pkcs11 -keyform engine -subj /CN=client \
		-key 'pkcs11:token=t;object=rsa;type=private' -out client.pem 2>/dev/null
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	mkdir www
	echo hello >www/index.html
	cat >nginx.conf <<-EOF
	$([ "$(id -u)" != 0 ] || echo 'user root;')
	daemon off;
	worker_processes 2;
	error_log $scratch/nginx.log;
	pid $scratch/nginx.pid;
	env OPENSSL_CONF;
	env HOLDFAST_HOME;
	ssl_engine pkcs11;
	events {}
	http {
		access_log off;
		server {
			listen 127.0.0.1:$port ssl;
			ssl_certificate $scratch/cert.pem;
			ssl_certificate_key 'engine:pkcs11:pkcs11:token=t;object=ec;type=private';
			ssl_client_certificate $scratch/client.pem;
			ssl_verify_client on;
			ssl_session_tickets off;
			root $scratch/www;
		}
	}
	EOF
	nginx -e nginx.log -c "$scratch/nginx.conf" &
	pid=$!
	curl_ok=
	for _ in $(seq 50); do
		if curl -s --cacert cert.pem --engine pkcs11 --key-type ENG --cert client.pem \
			--key 'pkcs11:token=t;object=rsa;type=private' "https://localhost:$port/" >got; then
			curl_ok=yes
			break
		fi
		sleep 0.2
	done
	kill "$pid"
	wait "$pid" || true
	[ -n "$curl_ok" ] || { cat nginx.log; exit 1; }
	grep -qx hello got
	nginx -v
	curl --version | head -n 1
}

pykcs11() {
	/usr/bin/python3 -c 'import PyKCS11' 2>/dev/null || skip 'python3-pykcs11 is not installed'
	partition
	/usr/bin/python3 - "$module" <<-'EOF'
	import sys
	from PyKCS11 import *
	lib = PyKCS11Lib()
	lib.load(sys.argv[1])
	s = lib.openSession(lib.getSlotList(tokenPresent=True)[0], CKF_SERIAL_SESSION | CKF_RW_SESSION)
	s.login('87654321')
	(private,) = s.findObjects([(CKA_CLASS, CKO_PRIVATE_KEY), (CKA_LABEL, 'rsa')])
	(public,) = s.findObjects([(CKA_CLASS, CKO_PUBLIC_KEY), (CKA_LABEL, 'rsa')])
	m = Mechanism(CKM_SHA256_RSA_PKCS)
	signature = s.sign(private, b'data', m)
	assert s.verify(public, b'data', signature, m)
	assert not s.verify(public, b'dato', signature, m)
	oaep = RSAOAEPMechanism(CKM_SHA256, CKG_MGF1_SHA256)
	assert bytes(s.decrypt(private, s.encrypt(public, b'data', oaep), oaep)) == b'data'
	key = s.generateKey([(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, CKK_AES), (CKA_VALUE_LEN, 32),
	                     (CKA_ENCRYPT, True), (CKA_DECRYPT, True), (CKA_TOKEN, False)])
	gcm = AES_GCM_Mechanism(bytes(12), b'aad', 128)
	assert bytes(s.decrypt(key, s.encrypt(key, b'data', gcm), gcm)) == b'data'
	s.logout()
	s.closeSession()
	EOF
	dpkg-query -W -f 'PyKCS11 ${Version}\n' python3-pykcs11 2>/dev/null || true
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
ssh | nss | java | dnssec | tls | pykcs11) "$2" ;;
p11-kit) p11_kit ;;
holdfast-cli) holdfast_cli ;;
*) echo "no such program: $2" >&2; exit 2 ;;
esac
