#!/usr/bin/env python3
"""policies.py BUILD TEST: what a policy refuses names it, on the terminal or in the audit record. As
e2e.py, which it stands on."""
import json
import os
import re
import sys
import time

import e2e

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

from p11 import N, Params, Refused, Token, refused  # noqa: E402

PIN = '12345678'
DEF = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'spec', 'policies.def')
P256 = bytes.fromhex('06082a8648ce3d030107')
K256 = bytes.fromhex('06052b8104000a')

# Policies that refuse no call: what they do instead.
NO_REFUSAL = {
    'audit-key-use': 'records', 'audit-authentication': 'records', 'audit-key-management': 'records',
    'audit-failures': 'records', 'audit-all': 'records',
    'audit-fail-closed': 'refuses where the disk does: faults.py',
    'auto-activation': 'what is activated is not so after a restart',
    'login-recovery': 'the client gets no ticket',
    'stateful-in-backups': 'left out, and told',
    'library-digests': 'the vault digests',
    'officer-lock-out': 'destroys',
    'pin-days': 'days pass: with pin-change-first',
    'private-key-cloning': 'with secret-key-cloning',
}


class Walk:
    """Walk is an HSM with a partition, its user's session by PKCS#11, and its officer's command line."""

    def __init__(self, i):
        os.makedirs(i.home, 0o700)
        os.environ['HOLDFAST_HOME'] = i.home
        self.i, self.seen = i, set()
        self.pin, self.words = self.file('pin', PIN), self.file('words', 'Correct-Horse-1')
        self.t = Token(e2e.MODULE, PIN.encode())
        self.aes = {'CLASS': N.CKO_SECRET_KEY, 'KEY_TYPE': N.CKK_AES}

    def file(self, name, text):
        with open(f'{self.i.home}/{name}', 'w', encoding='ascii') as f:
            f.write(text + '\n')
        return f.name

    def must(self, *args):
        r = self.i.cli(*args)
        assert r.returncode == 0, f'{args}: {r.stderr}'
        return r.stdout

    def set(self, policy, value):
        self.must('policy', 'set', f'{policy}={value}', '--so-pin-file', self.pin, '--yes')

    def by_cli(self, policy, *args):
        """by_cli: the command is refused, and says by which policy."""
        r = self.i.cli(*args)
        named = re.search(rf'polic(y|ies) [^;)]*\b{policy}\b', r.stderr)
        assert r.returncode == 1 and named, f'{policy}: {args}: {r.stdout}{r.stderr}'
        self.seen.add(policy)

    def by_call(self, policy, rv, function, *args, **more):
        """by_call: the call is refused with rv, and its record says by which policy."""
        assert refused(function, *args, **more) == rv, policy
        records = self.must('audit', 'query', '--result', 'failed', '--json').splitlines()
        assert f'policy {policy}' in json.loads(records[-1])['detail'], f'{policy}: {records[-1]}'
        self.seen.add(policy)

    def pair(self, bits=2048, **private):
        """pair makes RSA keys."""
        return self.pair_by('RSA_PKCS_KEY_PAIR_GEN', {'MODULUS_BITS': bits, 'ENCRYPT': True}, private)

    def pair_by(self, mechanism, public, private):
        from p11 import ULONG, template
        import ctypes
        a, n = template({'TOKEN': False, **public})
        b, m = template({'TOKEN': False, 'PRIVATE': False, **private})
        h, k = ULONG(0), ULONG(0)
        self.t.call('C_GenerateKeyPair', self.t.h, self.t.mechanism(mechanism), a, n, b, m, ctypes.byref(h),
                    ctypes.byref(k))
        return h, k

    def key(self, length=16, **attributes):
        return self.t.generate(self.t.mechanism('AES_KEY_GEN'), VALUE_LEN=length, PRIVATE=False, **attributes)


def of_wrapping(w):
    t, kwp = w.t, w.t.mechanism('AES_KEY_WRAP_KWP')
    wrapping = w.key(WRAP=True, UNWRAP=True, ENCRYPT=False, DECRYPT=False)
    secret = w.key(EXTRACTABLE=True)
    private = w.pair_by('EC_KEY_PAIR_GEN', {'EC_PARAMS': P256}, {'EXTRACTABLE': True})[1]
    wrapped, wrapped_private = t.wrap(kwp, wrapping, secret), t.wrap(kwp, wrapping, private)
    w.set('private-key-wrapping', 'no')
    w.by_call('private-key-wrapping', 'CKR_ACTION_PROHIBITED', t.wrap, kwp, wrapping, private)
    w.set('secret-key-wrapping', 'no')
    w.by_call('secret-key-wrapping', 'CKR_ACTION_PROHIBITED', t.wrap, kwp, wrapping, secret)
    w.set('private-key-unwrapping', 'no')
    w.by_call('private-key-unwrapping', 'CKR_ACTION_PROHIBITED', t.unwrap, kwp, wrapping, wrapped_private,
              CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_EC)
    w.set('unwrapping-in-the-clear', 'no')
    w.by_call('unwrapping-in-the-clear', 'CKR_ACTION_PROHIBITED', t.unwrap, kwp, wrapping, wrapped, SENSITIVE=False,
              **w.aes)
    t.unwrap(kwp, wrapping, wrapped, SENSITIVE=True, **w.aes)
    w.set('secret-key-unwrapping', 'no')
    w.by_call('secret-key-unwrapping', 'CKR_ACTION_PROHIBITED', t.unwrap, kwp, wrapping, wrapped, **w.aes)


def of_keys(w):
    t, key = w.t, w.key(EXTRACTABLE=True)
    cbc = t.mechanism('AES_CMAC')
    w.set('digest-key', 'no')
    t.call('C_DigestInit', t.h, t.mechanism('SHA256'))
    w.by_call('digest-key', 'CKR_ACTION_PROHIBITED', t.call, 'C_DigestKey', t.h, key)
    imported = t.create(VALUE=bytes(range(16)), SIGN=True, **w.aes)
    w.set('signing-with-imported-keys', 'no')
    w.by_call('signing-with-imported-keys', 'CKR_ACTION_PROHIBITED', t.sign, cbc, imported, b'data')
    w.set('key-import', 'no')
    w.by_call('key-import', 'CKR_ACTION_PROHIBITED', t.create, VALUE=bytes(range(16)), **w.aes)
    old = w.key(END_DATE=b'20200101')
    w.set('dates-enforced', 'yes')
    w.by_call('dates-enforced', 'CKR_KEY_FUNCTION_NOT_PERMITTED', t.encrypt, t.mechanism('AES_ECB'), old,
              bytes(16))


def of_mechanisms(w):
    t = w.t
    public = w.pair(DECRYPT=True)[0]
    for policy, mechanism in (('raw-rsa', 'RSA_X_509'), ('rsa-pkcs1-encryption', 'RSA_PKCS')):
        t.encrypt(t.mechanism(mechanism), public, bytes(64))
        w.set(policy, 'no')
        w.by_call(policy, 'CKR_MECHANISM_INVALID', t.encrypt, t.mechanism(mechanism), public, bytes(64))
    des = t.generate(t.mechanism('DES3_KEY_GEN'), PRIVATE=False, SIGN=True, ENCRYPT=False, DECRYPT=False)
    w.set('legacy-mechanisms', 'no')
    w.by_call('legacy-mechanisms', 'CKR_MECHANISM_INVALID', t.sign, t.mechanism('DES3_MAC'), des, b'data')


def of_sizes(w):
    t, p256 = w.t, {'EC_PARAMS': P256}
    w.set('min-rsa-bits', 2056)
    w.by_call('min-rsa-bits', 'CKR_KEY_SIZE_RANGE', w.pair)
    w.set('min-ec-bits', 384)
    w.by_call('min-ec-bits', 'CKR_KEY_SIZE_RANGE', w.pair_by, 'EC_KEY_PAIR_GEN', p256, {})
    w.set('min-secret-bits', 192)
    w.by_call('min-secret-bits', 'CKR_KEY_SIZE_RANGE', w.key)
    w.by_cli('min-ec-bits', 'key', 'generate', '--type', 'ec:P-256', '--label', 'a', '--pin-file', w.pin)
    w.set('curves', 'nist')
    w.by_call('curves', 'CKR_CURVE_NOT_SUPPORTED', w.pair_by, 'EC_KEY_PAIR_GEN', {'EC_PARAMS': K256}, {})
    w.by_cli('curves', 'key', 'generate', '--type', 'ed25519', '--label', 'a', '--pin-file', w.pin)
    w.set('non-approved-mechanisms', 'no')
    w.by_call('non-approved-mechanisms', 'CKR_KEY_SIZE_RANGE', w.pair, 1024)
    w.by_call('non-approved-mechanisms', 'CKR_MECHANISM_INVALID', t.digest, t.mechanism('MD5'), b'data')
    gcm = t.mechanism('AES_GCM', Params('PuPu', bytes(12), 96, b'', 128))
    w.by_call('non-approved-mechanisms', 'CKR_MECHANISM_INVALID', t.encrypt, gcm, w.key(32), b'its own IV')
    w.by_cli('non-approved-mechanisms', 'key', 'generate', '--type', 'ec:secp256k1', '--label', 'a', '--pin-file', w.pin)


def of_attributes(w):
    key = w.key(32)
    w.set('multipurpose-keys', 'no')
    w.by_call('multipurpose-keys', 'CKR_ACTION_PROHIBITED', w.key, 32, ENCRYPT=True,
              SIGN=True)
    w.set('changing-key-attributes', 'no')
    w.by_call('changing-key-attributes', 'CKR_ACTION_PROHIBITED', w.t.set, key, LABEL=b'another')


def of_nobody(w):
    t, data = w.t, {'CLASS': N.CKO_DATA, 'TOKEN': True, 'PRIVATE': False, 'VALUE': b'data'}
    t.call('C_Logout', t.h)
    planted = t.create(**data)
    w.set('changes-without-login', 'no')
    w.by_call('changes-without-login', 'CKR_USER_NOT_LOGGED_IN', t.create, **data)
    w.by_call('changes-without-login', 'CKR_USER_NOT_LOGGED_IN', t.destroy, planted)
    assert t.get(planted, 'VALUE') == b'data'
    t.login(N.CKU_USER, PIN.encode())
    t.destroy(planted)


def of_guards(w):
    as_user = '--pin-file', w.pin, '--key', 'k'
    sign = 'sign', *as_user, '--in', w.pin, '--out', w.pin + '.signature'
    w.must('key', 'generate', '--type', 'ec:P-384', '--label', 'k', '--pin-file', w.pin)
    w.must(*sign)
    w.set('usage-limits', 'yes')
    w.by_cli('usage-limits', *sign)
    w.set('per-key-authorization', 'yes')
    w.by_cli('per-key-authorization', *sign)
    w.must('key', 'pin', *as_user, '--key-pin-file', w.words)
    w.by_cli('officer-resets-key-pin', 'key', 'pin', *as_user, '--key-pin-file', w.words)


def of_users(w):
    officer = '--so-pin-file', w.pin
    set_anna = 'user', 'set', 'anna', *officer, '--pin-file'
    w.must(*set_anna, w.words)
    w.by_cli('activation', 'user', 'activate', '--user', 'anna', '--pin-file', w.words)
    other = w.file('other', 'Another-Horse-2')
    w.set('max-failed-logins', 1)
    w.set('user-lock-out', 0)
    w.must('user', 'set', 'dora', *officer, '--pin-file', w.words)
    usage = 'key', 'usage', '--key', 'k', '--user', 'dora', '--pin-file'
    w.i.cli(*usage, other)
    w.by_cli('max-failed-logins', *usage, w.words)
    w.by_cli('user-lock-out', 'user', 'set', 'dora', *officer, '--pin-file', other)
    w.set('officer-resets-user-pin', 'no')
    w.by_cli('officer-resets-user-pin', *set_anna, other)
    change = 'user', 'pin', 'anna', '--pin-file', w.words, '--new-pin-file'
    w.set('pin-classes', 4)
    w.by_cli('pin-classes', *change, w.file('plain', 'only letters'))
    w.set('pin-history', 3)
    w.by_cli('pin-history', *change, w.words)
    w.set('min-pin-length', 20)
    w.by_cli('min-pin-length', *change, other)
    w.set('max-pin-length', 20)
    w.by_cli('max-pin-length', *change, w.file('long', 'A-very-long-Horse-234567'))
    w.set('pin-change-first', 'yes')
    first = w.file('first', 'Twenty-characters-20')
    w.must('user', 'set', 'bert', *officer, '--pin-file', first)
    w.by_cli('pin-change-first', 'key', 'usage', '--key', 'k', '--user', 'bert', '--pin-file', first)


def of_the_partition(w):
    officer = '--so-pin-file', w.pin
    w.set('backup', 'no')
    w.by_cli('backup', 'backup', 'create', w.pin + '.backup', '--pin-file', w.pin,
             '--passphrase-file', w.words)
    w.must('domain', 'create', 'd')
    w.must('domain', 'assign', 'd', *officer)
    w.set('private-key-cloning', 'no')
    w.set('secret-key-cloning', 'no')
    request = w.pin + '.request'
    w.by_cli('secret-key-cloning', 'partition', 'clone-request', 'vectors', '--pin-file', w.pin,
             '--out', request)
    w.set('domain-change', 'no')
    w.by_cli('domain-change', 'domain', 'unassign', *officer)
    w.set('idle-logout', 1)
    time.sleep(1.5)
    w.by_call('idle-logout', 'CKR_USER_NOT_LOGGED_IN', w.t.generate, w.t.mechanism('AES_KEY_GEN'), VALUE_LEN=32,
              PRIVATE=True)


def test_each_policy_s_refusal_names_it(i):
    w = Walk(i)
    for part in (of_wrapping, of_keys, of_mechanisms, of_guards, of_users, of_sizes, of_attributes,
                 of_nobody, of_the_partition):
        part(w)
    with open(DEF, encoding='utf-8') as f:
        names = set(re.findall(r'^POLICY\(\d+, \w+, "([^"]+)"', f.read(), re.M))
    assert names - w.seen - set(NO_REFUSAL) == set(), names - w.seen - set(NO_REFUSAL)
    assert not w.seen & set(NO_REFUSAL) and set(NO_REFUSAL) <= names


def test_a_value_that_cannot_be_is_told_what_can(i):
    w = Walk(i)
    for change, words in (('min-rsa-bits=99999', 'a number from 0 to 16384'), ('raw-rsa=maybe', 'one of no, yes'),
                          ('curves=round', 'some of nist, brainpool'), ('round-keys=no', 'is not POLICY=VALUE'),
                          ('audit-key-use=7', 'one of none, every, counted, first')):
        r = i.cli('policy', 'set', change, '--so-pin-file', w.pin)
        assert r.returncode == 2 and words in r.stderr, r.stderr


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
