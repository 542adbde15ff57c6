#!/usr/bin/env python3
"""table.py BUILD: runs the interop tests and prints docs/interop.md, as it went here."""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TRIED = {
    'pkcs11-tool': 'its own `--test` with RSA, P-256, Ed25519; signatures that OpenSSL verifies; deletion',
    'p11tool': 'listing, key generation, `--test-sign` with RSA and P-256',
    'openssl-engine': 'signatures, public keys and a certificate through libp11',
    'p11-kit': 'the module served to another process, and used there',
    'ssh': 'keys for `ssh-keygen`, signatures by `ssh-agent`',
    'nss': '`modutil`, certificates with RSA and P-256 by `certutil`',
    'java': '`keytool` and `jarsigner` through SunPKCS11: RSA, P-256, AES',
    'tls': 'nginx with its key in one token, curl with the client\'s',
    'pykcs11': 'signatures, OAEP, AES-GCM from Python',
    'opensc-keys': '`pkcs11-tool` wraps, unwraps, encrypts, decrypts and derives (ECDH against OpenSSL)',
    'openssl-provider': 'signatures through pkcs11-provider',
    'osslsigncode': 'a Windows program signed, verified, and refused when altered',
    'dnssec': 'keys by `dnssec-keyfromlabel`, a zone by `dnssec-signzone`',
    'knot': 'keys by `keymgr`, a zone by `kzonesign`',
    'pkcs11js': 'logins, ECDSA, AES-CBC from Node.js',
    'bouncycastle': 'signatures of HSS, XMSS and XMSS^MT, verified, and refused when altered',
    'holdfast-cli': 'this project\'s own tool',
}
RESULTS = {0: 'pass', 77: 'skipped'}


def main():
    with open(f'{HERE}/meson.build', encoding='utf-8') as f:
        names = re.findall(r"'([\w-]+)'", f.read().split('foreach p : [')[1].split(']')[0])
    print('# Programs of other people\n')
    print('Each runs against a vault of its own in the suite `interop`. This page is what')
    print('`python3 -B tests/interop/table.py build` printed on the machine where it was made last.\n')
    print('| test | result | version, or why not | what it tries |')
    print('| --- | --- | --- | --- |')
    for name in names:
        run = subprocess.run([f'{HERE}/programs.sh', sys.argv[1], name], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False, errors='replace')
        last = run.stdout.strip().splitlines()[-1:] or ['']
        said = re.sub(r'^skipped: ', '', last[0]) if name != 'holdfast-cli' else ''
        print(f'| {name} | {RESULTS.get(run.returncode, "FAIL")} | {said} | {TRIED[name]} |', flush=True)


main()
