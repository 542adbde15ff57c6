#!/bin/bash
# programs.sh BUILD PROGRAM: other people's programs use the module, with an instance
# of their own. Skips with a message where the program is not installed.
set -euo pipefail
build=$(cd "$1" && pwd)
module=$build/libholdfast-pkcs11.so
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
export HOLDFAST_HOME=$scratch/home PATH=$PATH:/usr/sbin
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
	dpkg-query -W -f 'OpenSC ${Version}\n' opensc 2>/dev/null || true
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
	dpkg-query -W -f '${Package} ${Version}, ' nginx curl 2>/dev/null | sed 's/, $//' || true
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

# What OpenSC's tool does with keys besides signatures: secrets in, out and agreed upon.
opensc_keys() {
	partition
	user() { tool --login --pin 87654321 "$@"; }
	user --keygen --key-type AES:32 --label kek --id 10 --usage-wrap >/dev/null
	user --keygen --key-type AES:16 --label leaves --id 11 --extractable >/dev/null
	user --wrap --mechanism AES-KEY-WRAP --id 10 --application-id 11 -o wrapped >/dev/null
	[ "$(wc -c <wrapped)" = 24 ]
	user --unwrap --mechanism AES-KEY-WRAP --id 10 -i wrapped --key-type AES: --application-label back \
		--application-id 12 >/dev/null
	! user --wrap --mechanism AES-KEY-WRAP --id 10 --application-id 10 -o no >/dev/null 2>&1
	head -c 23 wrapped >short
	! user --unwrap --mechanism AES-KEY-WRAP --id 10 -i short --key-type AES: --application-id 13 \
		>/dev/null 2>&1
	head -c 32 /dev/urandom >plain
	user --encrypt --mechanism AES-CBC-PAD --iv "$(printf '%032d' 0)" --id 11 -i plain -o sealed >/dev/null
	user --decrypt --mechanism AES-CBC-PAD --iv "$(printf '%032d' 0)" --id 12 -i sealed -o opened >/dev/null
	cmp plain opened
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out peer.pem
	openssl pkey -in peer.pem -pubout -outform DER -out peer.der
	user --keypairgen --key-type EC:prime256v1 --usage-derive --label agrees --id 14 >/dev/null
	user --derive --mechanism ECDH1-DERIVE --id 14 -i peer.der -o ours >/dev/null
	tool --read-object --type pubkey --id 14 -o us.der
	openssl pkeyutl -derive -inkey peer.pem -keyform PEM -peerkey us.der -peerform DER -out theirs
	cmp ours theirs
	dpkg-query -W -f 'OpenSC ${Version}\n' opensc 2>/dev/null || true
}

# provider: as OpenSSL 3 loads modules of this kind where somebody packaged the provider.
openssl_provider() {
	partition
	dir=$(openssl version -m | sed 's/.*"\(.*\)"/\1/')
	[ -e "$dir/pkcs11.so" ] || skip "pkcs11-provider is not installed ($dir/pkcs11.so)"
	cat >provider.cnf <<-EOF
	openssl_conf = o
	[o]
	providers = p
	[p]
	default = d
	pkcs11 = m
	[d]
	activate = 1
	[m]
	activate = 1
	module = $dir/pkcs11.so
	pkcs11-module-path = $module
	pkcs11-module-token-pin = 87654321
	EOF
	for k in rsa ec; do
		tool --read-object --type pubkey --label "$k" -o pub.der
		OPENSSL_CONF=provider.cnf openssl pkeyutl -sign -rawin -digest sha256 -in data -out sig \
			-inkey "pkcs11:token=t;object=$k;type=private"
		openssl pkeyutl -verify -rawin -digest sha256 -in data -sigfile sig -pubin -keyform DER -inkey pub.der
	done
	dpkg-query -W -f 'pkcs11-provider ${Version}\n' pkcs11-provider 2>/dev/null || true
}

osslsigncode_() {
	need osslsigncode
	partition
	engine
	OPENSSL_CONF=engine.cnf openssl req -new -x509 -engine pkcs11 -keyform engine -subj /CN=code \
		-addext extendedKeyUsage=codeSigning -key 'pkcs11:token=t;object=rsa;type=private' -out cert.pem
	minimal_pe program.exe
	osslsigncode sign -pkcs11engine "$(openssl version -e | sed 's/.*"\(.*\)"/\1/')/pkcs11.so" \
		-pkcs11module "$module" -key 'pkcs11:token=t;object=rsa;type=private' -pass 87654321 -h sha256 \
		-certs cert.pem -in program.exe -out signed.exe
	osslsigncode verify -CAfile cert.pem -in signed.exe >out || { cat out; exit 1; }
	printf '\1' | dd of=signed.exe bs=1 seek=600 conv=notrunc status=none
	! osslsigncode verify -CAfile cert.pem -in signed.exe >/dev/null 2>&1
	dpkg-query -W -f 'osslsigncode ${Version}\n' osslsigncode 2>/dev/null || true
}

# minimal_pe FILE: a 64-bit Windows program of headers and one section of zeros.
minimal_pe() {
	python3 - "$1" <<-'EOF'
	import struct, sys
	dos = b'MZ' + bytes(58) + struct.pack('<L', 64)
	coff = b'PE\0\0' + struct.pack('<HHLLLHH', 0x8664, 1, 0, 0, 0, 240, 0x22)
	optional = struct.pack('<HBBLLLLL', 0x20b, 0, 0, 512, 0, 0, 0x1000, 0x1000)
	optional += struct.pack('<QLLHHHHHHLLLLHH', 0x140000000, 0x1000, 512, 6, 0, 0, 0, 6, 0, 0, 0x2000, 512, 0, 3, 0)
	optional += struct.pack('<QQQQLL', 1 << 20, 4096, 1 << 20, 4096, 0, 16) + bytes(128)
	section = struct.pack('<8sLLLLLLHHL', b'.text', 16, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
	open(sys.argv[1], 'wb').write((dos + coff + optional + section).ljust(512, b'\0') + bytes(512))
	EOF
}

zone() {
	cat >"$1" <<-EOF
	\$TTL 3600
	example.test. IN SOA ns.example.test. root.example.test. 1 3600 600 86400 300
	example.test. IN NS ns.example.test.
	ns.example.test. IN A 192.0.2.1
	EOF
}

dnssec() {
	need dnssec-keyfromlabel
	need dnssec-signzone
	libdns=$(ldd "$(command -v dnssec-signzone)" | sed -n 's/.*=> \(.*libdns[^ ]*\).*/\1/p')
	grep -qE 'ENGINE_by_id|OSSL_STORE_open' "$libdns" ||
		skip "this BIND reaches no PKCS#11: built without OpenSSL's engines (${libdns##*/})"
	partition
	engine
	zone zone.db
	export OPENSSL_CONF=$scratch/engine.cnf
	for k in 'rsa RSASHA256 KSK' 'ec ECDSAP256SHA256 KSK' 'rsa RSASHA256' 'ec ECDSAP256SHA256'; do
		set -- $k
		dnssec-keyfromlabel -E pkcs11 -y -a "$2" ${3:+-f "$3"} -l "pkcs11:token=t;object=$1" example.test >>keys
	done
	cat Kexample.test.*.key >>zone.db
	dnssec-signzone -E pkcs11 -z -o example.test zone.db
	[ "$(grep -c 'RRSIG' zone.db.signed)" -ge 8 ]
	dnssec-verify -z -o example.test zone.db.signed
	echo "BIND $(dnssec-keyfromlabel -V)"
}

knot() {
	need keymgr
	need kzonesign
	partition
	mkdir db
	cat >knot.conf <<-EOF
	server:
	    rundir: "$scratch"
	database:
	    storage: "$scratch/db"
	keystore:
	  - id: hsm
	    backend: pkcs11
	    config: "pkcs11:token=t;pin-value=87654321 $module"
	policy:
	  - id: p
	    keystore: hsm
	    algorithm: ecdsap256sha256
	    manual: on
	zone:
	  - domain: example.test
	    storage: "$scratch"
	    file: zone.db
	    dnssec-signing: on
	    dnssec-policy: p
	EOF
	zone zone.db
	for k in 'algorithm=ecdsap256sha256 ksk=yes' 'algorithm=ecdsap256sha256'; do
		keymgr -c knot.conf example.test generate $k
	done
	mkdir out
	kzonesign -c knot.conf -o out example.test
	[ "$(grep -c 'RRSIG' out/*)" -ge 5 ]
	[ "$(tool --login --pin 87654321 --list-objects --type privkey | grep -c 'Private Key Object')" = 4 ]
	keymgr -V
}

pkcs11js() {
	need node
	need npm
	partition
	timeout 120 npm install --silent --no-audit --no-fund --prefix . pkcs11js@2 >npm.log 2>&1 ||
		skip 'npm cannot get or build pkcs11js here'
	node - "$module" <<-'EOF'
	const assert = require('assert'), crypto = require('crypto');
	const p = require('pkcs11js'), m = new p.PKCS11();
	m.load(process.argv[2]);
	m.C_Initialize();
	const s = m.C_OpenSession(m.C_GetSlotList(true)[0], p.CKF_SERIAL_SESSION | p.CKF_RW_SESSION);
	assert.throws(() => m.C_Login(s, p.CKU_USER, '00000000'), /CKR_PIN_INCORRECT/);
	m.C_Login(s, p.CKU_USER, '87654321');
	function find(type) {
		m.C_FindObjectsInit(s, [{ type: p.CKA_CLASS, value: type }, { type: p.CKA_LABEL, value: 'ec' }]);
		const found = m.C_FindObjects(s, 1)[0];
		m.C_FindObjectsFinal(s);
		return found;
	}
	const data = crypto.createHash('sha256').update('data').digest();
	m.C_SignInit(s, { mechanism: p.CKM_ECDSA }, find(p.CKO_PRIVATE_KEY));
	const signature = m.C_Sign(s, data, Buffer.alloc(64));
	for (const ok of [true, false]) {
		m.C_VerifyInit(s, { mechanism: p.CKM_ECDSA }, find(p.CKO_PUBLIC_KEY));
		if (ok)
			assert(m.C_Verify(s, data, signature));
		else
			assert.throws(() => m.C_Verify(s, Buffer.alloc(32), signature), /CKR_SIGNATURE_INVALID/);
	}
	const key = m.C_GenerateKey(s, { mechanism: p.CKM_AES_KEY_GEN }, [
		{ type: p.CKA_VALUE_LEN, value: 32 }, { type: p.CKA_ENCRYPT, value: true },
		{ type: p.CKA_DECRYPT, value: true }, { type: p.CKA_TOKEN, value: false }]);
	const cbc = { mechanism: p.CKM_AES_CBC_PAD, parameter: Buffer.alloc(16) };
	m.C_EncryptInit(s, cbc, key);
	const sealed = m.C_Encrypt(s, data, Buffer.alloc(64));
	m.C_DecryptInit(s, cbc, key);
	assert(m.C_Decrypt(s, sealed, Buffer.alloc(64)).equals(data));
	m.C_Finalize();
	console.log('pkcs11js ' + require('pkcs11js/package.json').version + ', node ' + process.version);
	EOF
}

# BouncyCastle verifies what the token signs, of each kind of hash and number of levels.
bouncycastle() {
	need java
	need javac
	python3 -B "$here/stateful.py" "$build"
	dpkg-query -W -f 'BouncyCastle ${Version}\n' libbcprov-java 2>/dev/null || true
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
opensc-keys) opensc_keys ;;
openssl-provider) openssl_provider ;;
osslsigncode) osslsigncode_ ;;
ssh | nss | java | dnssec | knot | pkcs11js | tls | pykcs11 | bouncycastle) "$2" ;;
p11-kit) p11_kit ;;
holdfast-cli) holdfast_cli ;;
*) echo "no such program: $2" >&2; exit 2 ;;
esac
