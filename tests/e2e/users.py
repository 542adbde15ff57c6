#!/usr/bin/env python3
"""users.py BUILD TEST: what an officer says of users, and what the program says to mistakes. As e2e.py, which
it stands on."""
import json
import sys

import e2e
from guards import furnished, must, no, write


def officer(i):
    return '--so-pin-file', i.pin


def told(i, name='z'):
    u, = [u for u in json.loads(must(i, 'user', 'list', '--json')) if u['name'] == name]
    return u['may'], u['keys']


def usage(i, *args):
    r = i.cli(*args)
    assert r.returncode == 2, f'{args}: {r.returncode} {r.stderr}'
    return r.stderr


def test_what_is_not_named_of_a_user_s_rights_stays(i):
    furnished(i)
    restrict = 'user', 'restrict', 'z', *officer(i)
    must(i, 'user', 'set', 'z', *officer(i), '--pin-file', i.other, '--keys', 'pay-*')
    assert told(i) == ('all', 'pay-*')
    must(i, *restrict, '--may', 'sign')
    assert told(i) == ('sign', 'pay-*')
    must(i, *restrict, '--keys', 'n*')
    assert told(i) == ('sign', 'n*')
    must(i, 'user', 'set', 'z', *officer(i), '--pin-file', i.other)
    assert told(i) == ('sign', 'n*')
    for what in ('--keys', '--may'):
        assert "say 'all'" in usage(i, *restrict, what, '')
        assert "say 'all'" in usage(i, 'user', 'set', 'z', *officer(i), '--pin-file', i.other, what, '')
    for keys in ('0xzz', '0x', '0x123', ',,', 'a,0xq1'):
        assert '(USER_RIGHTS)' in no(i, *restrict, '--keys', keys)
    assert told(i) == ('sign', 'n*')
    must(i, *restrict, '--keys', 'all')
    assert told(i) == ('sign', 'all')
    must(i, *restrict, '--may', 'all', '--keys', '0xbeef')
    assert told(i) == ('all', '0xbeef')


def test_an_empty_id_or_label_deletes_nothing(i):
    as_user = furnished(i)
    for what in ('--id', '--label'):
        assert 'is empty' in usage(i, 'object', 'delete', what, '', '--yes', '--pin-file', i.pin)
    assert len(json.loads(must(i, 'object', 'list', '--json', *as_user[:2]))) == 2


def test_mistakes_are_named(i):
    furnished(i)
    z = 'user', 'set', 'z', *officer(i), '--pin-file', i.other
    must(i, *z)
    assert 'has another role' in no(i, *z, '--role', 'limited')
    for name in ('a b', 'x' * 33, '../x'):
        assert '1 to 32 letters' in no(i, 'user', 'set', name, *z[3:]), name
    for label in ('x' * 33, ' ', 'a\nb', '\x1b[2J', '\u202eb'):
        assert '1 to 32 bytes' in no(i, 'partition', 'create', label, *z[3:]), label
        assert '1 to 32 bytes' in no(i, 'partition', 'rename', 'guards', '--label', label), label
    lengths = 'policy', 'set', *officer(i), 'min-pin-length=20', 'max-pin-length=10'
    assert 'would be above max-pin-length' in no(i, *lengths)
    must(i, 'policy', 'set', *officer(i), 'pin-classes=3', 'pin-history=2')
    assert 'too few kinds' in no(i, *z)
    good = write(f'{i.home}/good', 'Three-kinds-1')
    must(i, 'user', 'set', 'z', *officer(i), '--pin-file', good)
    assert 'used before' in no(i, 'user', 'set', 'z', *officer(i), '--pin-file', good)
    assert 'reason is empty' in usage(i, 'tamper', 'report', '')


def test_a_pin_that_cannot_be_read_is_named(i):
    furnished(i)
    long = write(f'{i.home}/long', 'x' * 3000000)
    for path, why in (('/dev/zero', 'longer than'), (long, 'longer than'), ('/', 'directory'),
                      (f'{i.home}/none', 'No such file')):
        assert why in no(i, 'object', 'list', '--pin-file', path), path
    assert 'file descriptor 99' in no(i, 'object', 'list', '--pin-fd', '99')


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
