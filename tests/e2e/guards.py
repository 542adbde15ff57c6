#!/usr/bin/env python3
"""guards.py BUILD TEST: a key's own PIN, from the command line. As e2e.py, which it stands on."""
import ctypes
import hashlib
import json
import os
import re
import sys

import e2e

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

from p11 import ULONG, Token, refused  # noqa: E402

PIN, KEY_PIN, OTHER = '12345678', 'pin of the key', 'another pin'


def must(i, *args):
    r = i.cli(*args)
    assert r.returncode == 0, f'{args}: {r.stderr}'
    return r.stdout


def no(i, *args):
    """no: the command is refused; what it said."""
    r = i.cli(*args)
    assert r.returncode not in (0, 2), f'{args}: {r.stdout}'
    return r.stderr


def write(path, text):
    with open(path, 'w', encoding='ascii') as f:
        f.write(text + '\n')
    return path


def furnished(i, *policies):
    """furnished makes a partition with a key "k"; arguments: who is logged in, with which key."""
    os.makedirs(i.home, 0o700)
    i.pin, i.key_pin, i.other = (write(f'{i.home}/{n}', text) for n, text in
                                 (('pin', PIN), ('key-pin', KEY_PIN), ('other', OTHER)))
    must(i, 'partition', 'create', 'guards', '--so-pin-file', i.pin, '--pin-file', i.pin)
    for p in policies:
        must(i, 'policy', 'set', p, '--so-pin-file', i.pin, '--yes')
    must(i, 'key', 'generate', '--type', 'ec:P-256', '--label', 'k', '--pin-file', i.pin)
    return '--pin-file', i.pin, '--key', 'k'


def signing(i, *args):
    return 'sign', *args, '--in', i.pin, '--out', f'{i.home}/signature'


def guard(i, as_user):
    return json.loads(must(i, 'key', 'guard', *as_user, '--json'))


def test_a_key_s_own_pin_is_wanted_besides_the_user_s(i):
    as_user = furnished(i)
    must(i, *signing(i, *as_user))
    must(i, 'key', 'pin', *as_user, '--key-pin-file', i.key_pin)
    assert guard(i, as_user)['own PIN'] is True
    assert "the key wants its own PIN first: --key-pin-file" in no(i, *signing(i, *as_user))
    assert 'the PIN is wrong' in no(i, *signing(i, *as_user, '--key-pin-file', i.pin))
    must(i, *signing(i, *as_user, '--key-pin-file', i.key_pin))
    must(i, 'verify', *as_user, '--in', i.pin, '--signature', f'{i.home}/signature')
    i.stop()
    assert 'own PIN' in no(i, *signing(i, *as_user))
    must(i, *signing(i, *as_user, '--key-pin-file', i.key_pin))


def test_whoever_knows_a_key_s_pin_changes_it(i):
    as_user = furnished(i)
    must(i, 'key', 'pin', *as_user, '--key-pin-file', i.key_pin)
    assert 'officer-resets-key-pin' in no(i, 'key', 'pin', *as_user, '--key-pin-file', i.other)
    change = 'key', 'pin', *as_user, '--key-pin-file', i.other, '--old-key-pin-file'
    no(i, *change, i.pin)
    must(i, *change, i.key_pin)
    no(i, *signing(i, *as_user, '--key-pin-file', i.key_pin))
    must(i, *signing(i, *as_user, '--key-pin-file', i.other))


def lock(i, as_user):
    for _ in range(10):
        assert 'the PIN is wrong' in no(i, *signing(i, *as_user, '--key-pin-file', i.pin))
    assert 'locked' in no(i, *signing(i, *as_user, '--key-pin-file', i.key_pin))


def test_a_key_s_pin_locks_and_stays_so_over_a_restart(i):
    as_user = furnished(i)
    must(i, 'key', 'pin', *as_user, '--key-pin-file', i.key_pin)
    lock(i, as_user)
    i.stop()
    assert guard(i, as_user)['PIN locked'] is True
    assert 'locked' in no(i, *signing(i, *as_user, '--key-pin-file', i.key_pin))
    assert 'officer-resets-key-pin' in no(i, 'key', 'pin', *as_user, '--key-pin-file', i.other)


def test_a_locked_key_s_pin_is_reset_where_the_policy_says_so(i):
    as_user = furnished(i, 'officer-resets-key-pin=yes')
    must(i, 'key', 'pin', *as_user, '--key-pin-file', i.key_pin)
    lock(i, as_user)
    must(i, 'key', 'pin', *as_user, '--key-pin-file', i.other)
    no(i, *signing(i, *as_user, '--key-pin-file', i.key_pin))
    must(i, *signing(i, *as_user, '--key-pin-file', i.other))


def users(i, *names):
    for n in names:
        must(i, 'user', 'set', n, '--so-pin-file', i.pin, '--pin-file', i.other)


def test_a_key_with_a_pin_gets_other_guards_with_that_pin(i):
    as_user = furnished(i)
    users(i, 'anna')
    must(i, 'key', 'pin', *as_user, '--key-pin-file', i.key_pin)
    limit = 'key', 'guard', *as_user, '--count', '2'
    assert '--key-pin-file' in no(i, *limit)
    no(i, *limit, '--key-pin-file', i.pin)
    must(i, *limit, '--key-pin-file', i.key_pin)
    assert 'never raised' in no(i, *limit[:-1], '3', '--key-pin-file', i.key_pin)
    must(i, 'key', 'guard', *as_user, '--approvers', '1:anna', '--key-pin-file', i.key_pin)
    told = guard(i, as_user)
    assert (told['limit'], told['approvals needed'], told['own PIN']) == (2, 1, True), told


def test_a_locked_pin_of_a_key_says_who_can_help(i):
    as_user = furnished(i)
    must(i, 'key', 'pin', *as_user, '--key-pin-file', i.key_pin)
    for _ in range(10):
        no(i, *signing(i, *as_user, '--key-pin-file', i.other))
    assert 'officer-resets-key-pin' in no(i, *signing(i, *as_user, '--key-pin-file', i.key_pin))


def test_the_officer_alone_does_not_become_the_approvers(i):
    as_user = furnished(i)
    users(i, 'anna', 'bert')
    must(i, 'key', 'guard', *as_user, '--approvers', '2:anna,bert')
    for n in ('anna', 'bert'):
        must(i, 'user', 'delete', n, '--so-pin-file', i.pin, '--yes')
    users(i, 'anna', 'bert')
    number = json.loads(must(i, 'key', 'request', *as_user, '--in', i.pin, '--json'))['request']
    for n in ('anna', 'bert'):
        no(i, 'key', 'approve', number, '--user', n, '--key', 'k', '--pin-file', i.other)
    assert guard(i, as_user)['approvers'] == 'anna (gone),bert (gone)'
    assert 'APPROVAL' in no(i, *signing(i, *as_user))


def test_a_change_of_the_guard_is_approved_as_such(i):
    as_user = furnished(i)
    users(i, 'anna', 'evil')
    assert 'no such role or user' in no(i, 'key', 'guard', *as_user, '--approvers', '1:nobody')
    must(i, 'key', 'guard', *as_user, '--approvers', '1:anna')
    anna = '--user', 'anna', '--key', 'k', '--pin-file', i.other
    change = 'key', 'guard', *as_user, '--approvers', '1:evil'
    number = json.loads(must(i, 'key', 'request', *as_user, '--in', i.pin, '--json'))['request']
    must(i, 'key', 'approve', number, *anna)
    assert '--for guard' in no(i, *change)
    number = json.loads(must(i, 'key', 'request', *as_user, '--for', 'guard', '--approvers', '1:evil',
                             '--comment', 'anna leaves', '--json'))['request']
    told = json.loads(must(i, 'key', 'requests', *anna, '--json'))
    assert [(t['by'], t['comment'], t['approved by']) for t in told] == [('user', 'anna leaves', '')]
    assert '1 approvals of evil' in told[0]['for']
    must(i, 'key', 'approve', number, *anna)
    must(i, *change)
    number = json.loads(must(i, 'key', 'request', *as_user, '--in', i.pin, '--json'))['request']
    must(i, 'key', 'cancel', number, *as_user)
    no(i, 'key', 'cancel', number, *as_user)


def sha256_of(path):
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


def refused_use(i, *sign):
    """refused_use: the number of the request that it made, which the message says."""
    said = no(i, *sign)
    assert 'APPROVAL' in said, said
    return re.search(r'request (\d+)', said).group(1)


def test_an_approval_is_for_the_data_that_it_names(i):
    as_user = furnished(i)
    users(i, 'anna', 'bert')
    must(i, 'key', 'guard', *as_user, '--approvers', '2:anna,bert')
    number = refused_use(i, *signing(i, *as_user))
    assert refused_use(i, *signing(i, *as_user)) == number
    anna, bert = (('--user', n, '--pin-file', i.other) for n in ('anna', 'bert'))
    told, = json.loads(must(i, 'key', 'requests', *anna, '--json'))
    assert (told['request'], told['key'], told['by'], told['mechanism'], told['data']) == (
        number, 'k', 'user', 'ECDSA_SHA256', sha256_of(i.pin)), told
    assert 'not for the data' in no(i, 'key', 'approve', number, *anna, '--in', i.key_pin)
    assert json.loads(must(i, 'key', 'requests', *anna, '--json'))[0]['approved by'] == ''
    approved = json.loads(must(i, 'key', 'approve', number, *anna, '--in', i.pin, '--json'))
    assert (approved['for'], approved['data']) == ('sign by CKM_ECDSA_SHA256', sha256_of(i.pin))
    refused_use(i, *signing(i, *as_user))
    must(i, 'key', 'approve', number, *bert)
    i.stop()
    assert 'something else' in no(i, 'sign', *as_user, '--in', i.key_pin)
    assert 'something else' in no(i, 'sign', *as_user, '--in', i.pin, '--mechanism', 'ECDSA_SHA384')
    must(i, *signing(i, *as_user))
    assert refused_use(i, *signing(i, *as_user)) != number
    assert 'no such request' in no(i, 'key', 'approve', number, *bert)
    log = must(i, 'audit', 'query', '--call', 'guard_approve', '--json')
    assert sha256_of(i.pin) in log and 'ECDSA_SHA256' in log, log
    log = must(i, 'audit', 'query', '--result', 'APPROVAL', '--json')
    assert f'request {number} has 0 of 2' in log, log


def test_an_approval_for_any_data_is_a_choice(i):
    as_user = furnished(i)
    users(i, 'anna')
    assert '--approvers' in i.cli('key', 'guard', *as_user, '--any-data').stderr
    must(i, 'key', 'guard', *as_user, '--approvers', '1:anna', '--any-data')
    assert guard(i, as_user)['for any data'] is True
    assert 'without --in' in i.cli('key', 'request', *as_user, '--in', i.pin).stderr
    no(i, *signing(i, *as_user))
    anna = '--user', 'anna', '--pin-file', i.other
    assert json.loads(must(i, 'key', 'requests', *anna, '--json')) == []
    number = json.loads(must(i, 'key', 'request', *as_user, '--json'))['request']
    assert 'not for the data' in no(i, 'key', 'approve', number, *anna, '--in', i.pin)
    must(i, 'key', 'approve', number, *anna)
    must(i, *signing(i, *as_user))
    no(i, *signing(i, *as_user))


def test_a_program_asks_by_being_refused(i):
    os.makedirs(i.home, 0o700)
    os.environ['HOLDFAST_HOME'] = i.home
    i.pin, i.other = write(f'{i.home}/pin', PIN), write(f'{i.home}/other', OTHER)
    t = Token(e2e.MODULE, PIN.encode())
    key = t.generate(t.mechanism('AES_KEY_GEN'), VALUE_LEN=16, LABEL=b'k', TOKEN=True, SENSITIVE=True, SIGN=True,
                     ENCRYPT=True)
    users(i, 'anna')
    must(i, 'key', 'guard', '--pin-file', i.pin, '--key', 'k', '--approvers', '1:anna')
    cmac, anna = t.mechanism('AES_CMAC'), ('--user', 'anna', '--pin-file', i.other)
    assert refused(t.sign, cmac, key, b'data') == 'CKR_ACTION_PROHIBITED'
    told, = json.loads(must(i, 'key', 'requests', *anna, '--json'))
    assert (told['mechanism'], told['data']) == ('AES_CMAC', hashlib.sha256(b'data').hexdigest()), told
    must(i, 'key', 'approve', told['request'], *anna)
    assert refused(t.sign, cmac, key, b'Data') == 'CKR_ACTION_PROHIBITED'
    assert refused(t.encrypt, t.mechanism('AES_ECB'), key, b'data' * 4) == 'CKR_ACTION_PROHIBITED'
    assert len(t.sign(cmac, key, b'data')) == 16
    assert refused(t.sign, cmac, key, b'data') == 'CKR_ACTION_PROHIBITED'
    told, = json.loads(must(i, 'key', 'requests', *anna, '--json'))
    must(i, 'key', 'approve', told['request'], *anna)
    t.call('C_SignInit', t.h, cmac, key)
    assert refused(t.call, 'C_GetOperationState', t.h, ctypes.create_string_buffer(512),
                   ctypes.byref(ULONG(512))) == 'CKR_STATE_UNSAVEABLE'
    for part in (b'da', b'ta'):
        t.call('C_SignUpdate', t.h, part, ULONG(len(part)))
    out, n = ctypes.create_string_buffer(16), ULONG(16)
    t.call('C_SignFinal', t.h, None, ctypes.byref(n))
    t.call('C_SignFinal', t.h, out, ctypes.byref(n))


def test_a_pin_that_must_be_changed_is(i):
    as_user = furnished(i)
    must(i, 'user', 'set', 'anna', '--change', '--so-pin-file', i.pin, '--pin-file', i.other)
    listing = 'key', 'usage', '--key', 'k', '--user', 'anna', '--pin-file'
    assert 'holdfast user pin' in no(i, *listing, i.other)
    no(i, 'user', 'pin', 'anna', '--pin-file', i.pin, '--new-pin-file', i.key_pin)
    must(i, 'user', 'pin', 'anna', '--pin-file', i.other, '--new-pin-file', i.key_pin)
    must(i, *listing, i.key_pin)
    must(i, 'user', 'pin', '--pin-file', i.pin, '--new-pin-file', i.other)
    no(i, *signing(i, *as_user))
    must(i, 'user', 'pin', 'so', '--pin-file', i.pin, '--new-pin-file', i.key_pin)
    no(i, 'user', 'set', 'user', '--so-pin-file', i.pin, '--pin-file', i.pin)
    must(i, 'user', 'set', 'user', '--so-pin-file', i.key_pin, '--pin-file', i.pin)
    must(i, *signing(i, *as_user))


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
