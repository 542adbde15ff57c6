#!/usr/bin/env python3
"""digests.py BUILD TEST: one promise about digests, which the library makes by itself for a while when the
vault lets it, with a vault of its own."""
import ctypes
import hashlib
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

import own_vault  # noqa: E402
from p11 import ULONG, buffer  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
DIGESTS = {'SHA_1': 'sha1', 'SHA224': 'sha224', 'SHA256': 'sha256', 'SHA384': 'sha384', 'SHA512': 'sha512',
           'SHA512_224': 'sha512_224', 'SHA512_256': 'sha512_256', 'SHA3_224': 'sha3_224',
           'SHA3_256': 'sha3_256', 'SHA3_384': 'sha3_384', 'SHA3_512': 'sha3_512', 'MD5': 'md5'}
MANY = 200  # one after the other: some of them within the time for which the vault lets the library do it


def holdfast(*args, stdin=''):
    return subprocess.run([f'{BUILD}/holdfast', *args], check=True, input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True).stdout


def in_the_vault():
    """in_the_vault counts the digests that were made there."""
    found = re.findall(r'^holdfast_calls_total\{call="digest",result="ok"\} (\d+)', holdfast('metrics'), re.M)
    return sum(map(int, found))


def many(t):
    """many digests; how many of them the vault made."""
    before, data = in_the_vault(), b'data'
    for _ in range(MANY):
        assert t.digest(t.mechanism('SHA256'), data) == hashlib.sha256(data).digest()
    return in_the_vault() - before


def officer_sets(policy):
    with open(os.environ['HOLDFAST_HOME'] + '/pin', 'w', encoding='ascii') as f:
        f.write('12345678\n')
    os.chmod(f.name, 0o600)
    holdfast('policy', 'set', policy, '--so-pin-file', f.name, '--yes')


def test_library_and_vault_give_the_same(t):
    for name, other in DIGESTS.items():
        for n in (0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 135, 136, 137, 1000, 70000):
            data = os.urandom(n)
            for _ in range(2):  # the first is the vault's
                assert t.digest(t.mechanism(name), data) == hashlib.new(other, data).digest(), (name, n)


@own_vault.needs_daemon
def test_the_library_digests_by_itself(t):
    assert many(t) < MANY


@own_vault.needs_daemon
def test_where_policy_says_so_the_vault_digests(t):
    officer_sets('library-digests=no')
    assert many(t) == MANY


@own_vault.needs_daemon
def test_in_approved_mode_the_vault_digests(t):
    officer_sets('non-approved-mechanisms=no')
    assert many(t) == MANY


@own_vault.needs_daemon
def test_where_every_call_is_recorded_the_vault_digests(t):
    officer_sets('audit-all=yes')
    assert many(t) == MANY


def test_a_digest_that_was_begun_goes_on_in_the_vault(t):
    m = t.mechanism('SHA256')
    t.digest(m, b'once, so that the next _init is known')
    t.call('C_DigestInit', t.h, m)
    state, n = ctypes.create_string_buffer(1024), ULONG(1024)
    t.call('C_GetOperationState', t.h, state, ctypes.byref(n))
    t.call('C_DigestUpdate', t.h, buffer(b'data'), ULONG(4))
    out, m = ctypes.create_string_buffer(32), ULONG(32)
    t.call('C_DigestFinal', t.h, out, ctypes.byref(m))
    assert out.raw == hashlib.sha256(b'data').digest()


if __name__ == '__main__':
    own_vault.run(BUILD, globals(), sys.argv[2])
