#!/usr/bin/env python3
"""attest.py BUILD TEST: what a stranger can check who has a statement and the root's
certificate only; other people's programs check it too."""
import json
import os
import shutil
import subprocess
import sys

import e2e

sys.path.insert(0, f'{os.path.dirname(os.path.abspath(__file__))}/../support')
PIN = '12345678'
NONCE = '00112233445566778899aabbccddeeff'
PRIVATE = -70000


class Hsm:
    """Hsm has one partition, an EC key pair "ek" and an AES key "ak"."""

    def __init__(self, i):
        self.i = i
        os.makedirs(i.home, exist_ok=True)
        self.pin = f'{i.home}/pin'
        with open(self.pin, 'w') as f:
            f.write(PIN)
        self.must('partition', 'create', 'box', '--so-pin-file', self.pin, '--pin-file', self.pin)
        self.generate('ek', 'ec:P-256')
        self.generate('ak', 'aes:256')
        self.root = f'{i.home}/root.pem'
        self.must('attest', 'root', '--out', self.root)

    def must(self, *args):
        r = self.i.cli(*args)
        assert r.returncode == 0, f'{args}: {r.stderr}'
        return r.stdout

    def generate(self, label, kind, *more):
        self.must('key', 'generate', '--type', kind, '--label', label, '--pin-file', self.pin, *more)

    def create(self, key, form='x509', *more):
        path = f'{self.i.home}/{key}.{form}'
        self.must('attest', 'create', '--key', key, '--form', form, '--pin-file', self.pin,
                  '--out', path, *more)
        return path

    def verify(self, path, *more, root=None):
        """verify runs where there is no HSM, and starts none."""
        away = e2e.Instance(f'{self.i.home}-none')
        r = away.cli('attest', 'verify', '--json', '--root', root or self.root, *more, path)
        assert not os.path.exists(away.home), 'an HSM was started'
        told = json.loads(r.stdout)
        assert (r.returncode == 0) == told['genuine'], r.stderr
        return told

    def refused(self, path, why, *more, root=None):
        told = self.verify(path, *more, root=root)
        assert not told['genuine'] and why in told['why'], told


def test_a_statement_verifies_without_an_hsm(i):
    h = Hsm(i)
    paths = [h.create('ek'), h.create('ek', 'cose'), h.create('ak', 'cose')]
    i.stop()
    for path in paths:
        told = h.verify(path)
        assert told['made inside and never outside'] and told['partition label'] == 'box', told
        assert ('public key' in told) == (told['class'] == 'private')
    assert len(told['check value']) == 6 and told['mechanism'] == 'AES_KEY_GEN'


def test_the_root_stays_the_same(i):
    h = Hsm(i)
    before = open(h.root).read()
    path = h.create('ek')
    i.kill('monitor')
    assert h.must('attest', 'root') == before
    assert h.verify(path)['genuine']


def test_openssl_checks_the_chain(i):
    if shutil.which('openssl') is None:
        raise e2e.Skip('openssl is not installed')
    h = Hsm(i)
    for kind in ('rsa:2048', 'ec:P-521', 'ed25519', 'x448'):
        h.generate(kind, kind)
        path = h.create(kind)
        r = h.i.run('openssl', 'verify', '-x509_strict', '-CAfile', h.root, path)
        assert r.stdout.strip().endswith(': OK'), r.stdout + r.stderr
        told = h.i.run('openssl', 'x509', '-in', path, '-noout', '-pubkey').stdout
        der = subprocess.run(['openssl', 'pkey', '-pubin', '-outform', 'DER'], input=told.encode(),
                             capture_output=True).stdout
        assert der.hex() == h.verify(path)['public key']


def test_a_key_that_was_imported_is_said_to_be(i):
    h = Hsm(i)
    os.environ['HOLDFAST_HOME'] = i.home
    from p11 import N, Token
    t = Token(e2e.MODULE)
    t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=bytes(range(32)), LABEL=b'brought', TOKEN=True,
             PRIVATE=True, SENSITIVE=True, EXTRACTABLE=False)
    told = h.verify(h.create('brought', 'cose'))
    assert told['genuine'] and not told['made inside and never outside']
    assert not told['generated inside'] and not told['never extractable'] and 'mechanism' not in told


def test_an_extractable_key_is_said_to_be(i):
    h = Hsm(i)
    h.generate('loose', 'ec:P-256', '--extractable')
    told = h.verify(h.create('loose'))
    assert told['generated inside'] and told['extractable'] and not told['made inside and never outside']


def test_another_root_verifies_nothing(i):
    h = Hsm(i)
    other = Hsm(e2e.Instance(f'{i.home}-other'))
    try:
        for form in ('x509', 'cose'):
            h.refused(h.create('ek', form), 'of another HSM', root=other.root)
        h.refused(h.create('ek'), 'not the root of an HSM', root=h.create('ek'))
    finally:
        other.i.stop()


def test_an_altered_statement_is_refused(i):
    h = Hsm(i)
    pem, bad = h.create('ek'), f'{i.home}/bad'
    der = bytearray(subprocess.run(['base64', '-d'], capture_output=True, check=True,
                                   input=''.join(open(pem).read().split('\n')[1:-2]).encode()).stdout)
    for whole in (der, bytearray(open(h.create('ek', 'cose'), 'rb').read())):
        for at in [*range(0, len(whole), 7), whole.index(b'box'), len(whole) - 1]:
            whole[at] ^= 1
            open(bad, 'wb').write(whole)
            assert not h.verify(bad)['genuine'], f'byte {at}'
            whole[at] ^= 1
        for cut in (whole[:-1], whole + b'\0', b''):
            open(bad, 'wb').write(cut)
            assert not h.verify(bad)['genuine']


def test_a_nonce_shows_that_a_statement_is_new(i):
    h = Hsm(i)
    for form in ('x509', 'cose'):
        path = h.create('ek', form, '--nonce', NONCE)
        assert h.verify(path, '--nonce', NONCE)['made for this nonce']
        h.refused(path, '--nonce', '--nonce', 'ff' * 16)
        h.refused(h.create('ek', form), '--nonce', '--nonce', NONCE)
    assert i.cli('attest', 'create', '--key', 'ek', '--nonce', '0011', '--pin-file', h.pin).returncode == 2


def test_what_cannot_be_attested_is_said(i):
    h = Hsm(i)
    r = i.cli('attest', 'create', '--key', 'ak', '--pin-file', h.pin)
    assert r.returncode == 1 and '--form cose' in r.stderr
    r = i.cli('attest', 'create', '--key', 'nothing', '--pin-file', h.pin)
    assert r.returncode == 1


def decode(b, at=0):
    """decode reads the CBOR (RFC 8949) of a CWT; independent of the program's own."""
    major, info, at = b[at] >> 5, b[at] & 31, at + 1
    if info >= 24:
        size = 1 << (info - 24)
        info, at = int.from_bytes(b[at:at + size], 'big'), at + size
    if major in (0, 1):
        return (info if major == 0 else -1 - info), at
    if major in (2, 3):
        s = b[at:at + info]
        return (s if major == 2 else s.decode()), at + info
    if major == 4:
        v = []
        for _ in range(info):
            x, at = decode(b, at)
            v.append(x)
        return v, at
    if major == 5:
        m = {}
        for _ in range(info):
            k, at = decode(b, at)
            m[k], at = decode(b, at)
        return m, at
    if major == 6:
        x, at = decode(b, at)
        return (info, x), at
    return {20: False, 21: True}[info], at


def encode_bytes(s):
    return (bytes([0x40 | len(s)]) if len(s) < 24 else b'\x58' + bytes([len(s)]) if len(s) < 256 else
            b'\x59' + len(s).to_bytes(2, 'big')) + s


def test_another_program_reads_the_cwt(i):
    h = Hsm(i)
    whole = open(h.create('ak', 'cose', '--nonce', NONCE), 'rb').read()
    (cwt, (sign1, parts)), end = decode(whole)
    header, other, payload, signature = parts
    claims, payload_end = decode(payload)
    assert (cwt, sign1, end, payload_end) == (61, 18, len(whole), len(payload))
    assert decode(header)[0] == {1: -8} and list(other) == [4] and len(other[4]) == 20
    told = h.verify(f'{i.home}/ak.cose')
    assert claims[1] == told['HSM'] and claims[2] == told['unique id'] and claims[10].hex() == NONCE
    assert claims[PRIVATE] == 1 and claims[PRIVATE - 2] == 'box' and claims[PRIVATE - 8] is True
    try:
        from cryptography import x509
    except ImportError:
        raise e2e.Skip("Python's cryptography is not installed: the signature was not checked by it")
    root = x509.load_pem_x509_certificate(open(h.root, 'rb').read())
    to_sign = b'\x84\x6aSignature1' + encode_bytes(header) + b'\x40' + encode_bytes(payload)
    root.public_key().verify(signature, to_sign)
    made = x509.load_pem_x509_certificate(open(h.create('ek'), 'rb').read())
    made.verify_directly_issued_by(root)


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
