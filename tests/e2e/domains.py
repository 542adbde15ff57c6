#!/usr/bin/env python3
"""domains.py BUILD TEST: security domains, and clones from one HSM to another."""
import json
import os
import subprocess
import sys

import backup
import e2e


def fingerprint(path):
    with open(path) as f:
        return json.load(f)['fingerprint']


def create(a, name='production'):
    a.must('domain', 'create', name)


def join(a, b, name='production'):
    """b joins a's domain; the officers compare fingerprints."""
    request, answer = f'{b.i.home}/{name}.request', f'{b.i.home}/{name}.answer'
    b.must('domain', 'request', '--out', request)
    a.must('domain', 'admit', name, request, '--fingerprint', fingerprint(request), '--out', answer)
    b.must('domain', 'join', answer, '--fingerprint', fingerprint(answer))


def assign(h, name='production'):
    h.must('domain', 'assign', name, '--partition', 'box', '--so-pin-file', h.pin)


class Members(backup.Two):
    """Two HSMs of one domain, with their partitions in it."""

    def __enter__(self):
        a, b = super().__enter__()
        create(a)
        join(a, b)
        assign(a)
        assign(b)
        return a, b


def asked(b, path=None):
    path = path or f'{b.i.home}/clone.request'
    if os.path.exists(path):
        os.unlink(path)
    b.must('partition', 'clone-request', 'box', '--pin-file', b.pin, '--out', path)
    return path


def cloned(a, request, path, *more):
    if os.path.exists(path):
        os.unlink(path)
    return json.loads(a.must('partition', 'clone', 'box', request, '--pin-file', a.pin, '--out', path, '--json',
                             *more))


def receive(b, path, *more):
    return b.cli('partition', 'receive', 'box', path, '--pin-file', b.pin, '--json', *more)


def received(b, path, *more):
    r = receive(b, path, *more)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


def refused(r, error):
    assert r.returncode != 0 and error in r.stderr, (r.returncode, r.stdout, r.stderr)


def sign(h, key, message, signature):
    h.must('sign', '--key', key, '--pin-file', h.pin, '--in', message, '--out', signature)


def verify(h, key, message, signature):
    h.must('verify', '--key', key, '--pin-file', h.pin, '--in', message, '--signature', signature)


def policy(h, *values):
    h.must('policy', 'set', '--partition', 'box', '--so-pin-file', h.pin, *values)


def records(h, call):
    out = h.must('audit', 'query', '--json', '--call', call)
    return [json.loads(line) for line in out.splitlines()]


def test_a_key_that_was_cloned_signs_there_and_verifies_here(i):
    with Members(i) as (a, b):
        for kind in ('ec:P-256', 'ed25519', 'rsa:2048', 'ml-dsa-65', 'aes:256'):
            a.generate(kind, kind)
        path, signature = f'{i.home}/box.clone', f'{i.home}/signature'
        made = cloned(a, asked(b), path)
        got = received(b, path)
        assert made['objects'] == got['new'] == len(a.objects()) and got['dry run'] is False, (made, got)
        assert a.objects() == b.objects()
        sign(b, 'ec:P-256', b.pin, signature)
        verify(a, 'ec:P-256', a.pin, signature)
        again = cloned(a, asked(b), path)
        assert received(b, path)['same'] == again['objects']
        b.i.kill('monitor')
        assert a.objects() == b.objects()
        assert json.loads(b.must('partition', 'show', 'box', '--json'))['security domain'] == 'production'


def test_a_partition_is_in_its_domain_from_the_beginning(i):
    with Members(i) as (a, _):
        made = ('partition', 'create', 'new', '--so-pin-file', a.pin, '--domain')
        refused(a.cli(*made, 'elsewhere'), 'DOMAIN_NONE')
        assert len(json.loads(a.must('partition', 'list', '--json'))) == 1
        a.must(*made, 'production')
        assert json.loads(a.must('partition', 'show', 'new', '--json'))['security domain'] == 'production'


def test_a_partition_that_comes_back_is_in_its_domain(i):
    """Once its new HSM is: a backup has no domain's key."""
    with backup.Lost(i) as (a, b):
        create(a)
        assign(a)
        a.generate('k')
        a.must('backup', 'create', '--whole', '--passphrase-file', a.passphrase, a.file)
        b.must('backup', 'restore', '--passphrase-file', a.passphrase, a.file)
        domain = json.loads(a.must('domain', 'list', '--json'))[0]['id']

        def of(h):
            return json.loads(h.must('partition', 'show', 'box', '--json'))['security domain']

        assert of(a) == 'production' and of(b) == domain
        assert json.loads(b.must('domain', 'list', '--json')) == []
        refused(b.cli('partition', 'clone-request', 'box', '--pin-file', a.pin), 'DOMAIN_NONE')
        join(a, b)
        assert of(b) == 'production'
        b.must('partition', 'clone-request', 'box', '--pin-file', a.pin)


def test_a_pipe_is_enough(i):
    with Members(i) as (a, b):
        a.generate('k', 'ec:P-256')
        run = lambda h, *args, **kw: subprocess.Popen([f'{e2e.BUILD}/holdfast', 'partition', *args], env=h.i.env,
                                                      stdout=subprocess.PIPE, **kw)
        ask = run(b, 'clone-request', 'box', '--pin-file', b.pin)
        clone = run(a, 'clone', 'box', '-', '--pin-file', a.pin, stdin=ask.stdout)
        take = run(b, 'receive', 'box', '--pin-file', b.pin, '--json', stdin=clone.stdout)
        ask.stdout.close()
        clone.stdout.close()
        out = take.communicate(timeout=60)[0]
        assert [p.wait(timeout=60) for p in (ask, clone, take)] == [0, 0, 0]
        assert json.loads(out)['new'] == 2 and a.objects() == b.objects()


def test_both_on_this_machine_take_one_command(i):
    with Members(i) as (a, b):
        a.generate('k', 'ec:P-256')
        a.generate('secret', 'aes:256')
        out = a.must('partition', 'clone', 'box', '--pin-file', a.pin, '--to-home', b.i.home, '--to-pin-file', b.pin,
                     '--json', '--label', 'k')
        assert json.loads(out).get('new') == 2, out
        assert len(b.objects()) == 2 and len(a.objects()) == 3
        refused(a.cli('partition', 'clone', 'box', '--pin-file', a.pin, '--to-home', b.i.home, '--to-pin-file',
                      b.passphrase), 'PIN_INCORRECT')


def test_both_sides_have_the_other_on_record(i):
    with Members(i) as (a, b):
        a.generate('k')
        path = f'{i.home}/box.clone'
        cloned(a, asked(b), path)
        received(b, path)
        serial = {h: json.loads(h.must('status', '--json'))['serial'] for h in (a, b)}
        assert serial[b] in records(a, 'clone_begin')[-1]['detail']
        assert serial[a] in records(b, 'clone_take')[-1]['detail']
        assert serial[b] in records(a, 'domain_admit')[-1]['detail']
        assert serial[a] in records(b, 'domain_join')[-1]['detail']


def test_a_clone_is_taken_once_and_by_who_asked(i):
    with Members(i) as (a, b):
        a.generate('k')
        path = f'{i.home}/box.clone'
        cloned(a, asked(b), path)
        assert received(b, path, '--dry-run')['new'] == 1
        assert b.objects() == []
        received(b, path)
        b.must('object', 'delete', '--label', 'k', '--pin-file', b.pin, '--yes')
        refused(receive(b, path), 'CLONE_ANSWER')
        assert b.objects() == []
        first = asked(b)
        cloned(a, first, path)
        asked(b, f'{i.home}/second.request')
        refused(receive(b, path), 'CLONE_ANSWER')
        refused(receive(a, path), 'CLONE_ANSWER')


def test_another_domain_gets_nothing(i):
    with Members(i) as (a, b):
        a.generate('k')
        create(b, 'elsewhere')
        assign(b, 'elsewhere')
        request = asked(b)
        refused(a.cli('partition', 'clone', 'box', request, '--pin-file', a.pin, '--out', f'{i.home}/c'),
                'CLONE_DOMAIN')
        b.must('domain', 'unassign', '--partition', 'box', '--so-pin-file', b.pin)
        refused(b.cli('partition', 'clone-request', 'box', '--pin-file', b.pin), 'CLONE_DOMAIN')
        assert not os.path.exists(f'{i.home}/c')


def test_who_left_the_domain_neither_gives_nor_takes(i):
    with Members(i) as (a, b):
        a.generate('k')
        path = f'{i.home}/box.clone'
        request = asked(b)
        cloned(a, request, path)
        b.must('domain', 'leave', 'production', '--yes')
        refused(receive(b, path), 'DOMAIN_NONE')
        refused(b.cli('partition', 'clone-request', 'box', '--pin-file', b.pin), 'DOMAIN_NONE')
        a.must('domain', 'leave', 'production', '--yes')
        refused(a.cli('partition', 'clone', 'box', request, '--pin-file', a.pin, '--out', f'{i.home}/c'),
                'DOMAIN_NONE')


def flipped(path, at):
    data = bytearray(open(path, 'rb').read())
    data[at] ^= 1
    with open(path + '.bad', 'wb') as f:
        f.write(data)
    return path + '.bad'


def test_an_altered_message_is_refused(i):
    with Members(i) as (a, b):
        a.generate('k')
        path = f'{i.home}/box.clone'
        request = asked(b)
        message = json.load(open(request))
        text = message['clone request']
        for at in (20, 200, len(text) - 1):
            bad = text[:at] + ('0' if text[at] != '0' else '1') + text[at + 1:]
            with open(f'{i.home}/bad.request', 'w') as f:
                json.dump({'clone request': bad}, f)
            r = a.cli('partition', 'clone', 'box', f'{i.home}/bad.request', '--pin-file', a.pin, '--out',
                      f'{i.home}/c')
            assert r.returncode != 0, at
        cloned(a, request, path)
        size = os.path.getsize(path)
        for at in [*range(0, size, size // 40), size - 1]:
            r = receive(b, flipped(path, at))
            assert r.returncode != 0, at
        assert b.objects() == []
        with open(path + '.bad', 'wb') as f:
            f.write(open(path, 'rb').read()[:-10])
        assert receive(b, path + '.bad').returncode != 0
        assert received(b, path)['new'] == 1


def test_policies_say_which_keys_go_and_come(i):
    with Members(i) as (a, b):
        a.generate('pair', 'ec:P-256')
        a.generate('secret', 'aes:256')
        path = f'{i.home}/box.clone'
        policy(b, 'private-key-cloning=no')
        made = cloned(a, asked(b), path)
        assert made['objects'] == 3, made
        got = received(b, path)
        assert got['new'] == 2 and got['left out: policy'] == 1, got
        assert len(b.objects()) == 2
        policy(a, 'secret-key-cloning=no')
        made = cloned(a, asked(b), path)
        assert made['objects'] == 2 and made['left out (policy)'] == 1, made
        policy(a, 'private-key-cloning=no')
        request = asked(b)
        refused(a.cli('partition', 'clone', 'box', request, '--pin-file', a.pin, '--out', f'{i.home}/c'), 'POLICY')
        policy(b, 'secret-key-cloning=no')
        refused(receive(b, path), 'POLICY')
        refused(b.cli('partition', 'clone-request', 'box', '--pin-file', b.pin), 'POLICY')


def test_only_the_crypto_officer_clones(i):
    with Members(i) as (a, b):
        a.generate('k')
        request = asked(b)
        for h in (a, b):
            for role in ('crypto-user', 'limited'):
                h.must('user', 'set', role, '--role', role, '--partition', 'box', '--so-pin-file', h.pin, '--pin-file',
                       h.passphrase)
        path = f'{i.home}/box.clone'
        cloned(a, request, path)
        for role in ('crypto-user', 'limited'):
            pin = f'{i.home}/{role}.pin'
            with open(pin, 'w') as f:
                f.write(f'{role}:{backup.PASS}')
            refused(a.cli('partition', 'clone', 'box', request, '--pin-file', pin, '--out', f'{i.home}/c'), 'DENIED')
            refused(b.cli('partition', 'receive', 'box', path, '--pin-file', pin), 'DENIED')
            refused(b.cli('partition', 'clone-request', 'box', '--pin-file', pin), 'DENIED')
        assert received(b, path)['new'] == 1


def test_what_would_be_there_twice_stays(i):
    with Members(i) as (a, b):
        a.generate('state', 'hss:H5W8')
        a.generate('limited', 'ec:P-256')
        a.generate('free', 'aes:256')
        a.must('key', 'guard', '--key', 'limited', '--count', '5', '--pin-file', a.pin)
        path = f'{i.home}/box.clone'
        made = cloned(a, asked(b), path)
        assert made['left out (stateful or limited keys)'] == 2, made
        received(b, path)
        signature = f'{i.home}/signature'
        for key in ('state', 'limited'):
            assert b.cli('sign', '--key', key, '--in', b.pin, '--out', signature, '--pin-file', b.pin).returncode != 0
        assert any('free' in o for o in b.objects())


def test_a_clone_is_no_backup_and_a_backup_no_clone(i):
    with Members(i) as (a, b):
        a.generate('k')
        path = f'{i.home}/box.clone'
        cloned(a, asked(b), path)
        told = json.loads(a.must('backup', 'inspect', '--json', path))
        assert told['sealed to'] == [f"in its domain: HSM {json.loads(b.must('status', '--json'))['serial']}"], told
        refused(b.cli('backup', 'restore', '--partition', 'box', '--pin-file', b.pin, path), 'BACKUP_KEY')
        a.create()
        refused(receive(b, a.file), 'CLONE_NONE')


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
