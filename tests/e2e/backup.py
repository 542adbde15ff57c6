#!/usr/bin/env python3
"""backup.py BUILD TEST: what a backup brings back, and what it does not take."""
import ctypes
import fcntl
import glob
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time

import e2e

sys.path.insert(0, f'{os.path.dirname(os.path.abspath(__file__))}/../support')
PIN = '12345678'
PASS = 'correct horse battery'


class Hsm:
    """Hsm has one partition, "box"."""

    def __init__(self, i):
        self.i = i
        os.makedirs(i.home, exist_ok=True)
        self.pin, self.passphrase = f'{i.home}/pin', f'{i.home}/pass'
        self.lines = f'{i.home}/lines'
        for path, text in ((self.pin, PIN), (self.passphrase, PASS), (self.lines, f'{PASS}\n' * 5)):
            with open(path, 'w') as f:
                f.write(text)
        self.file = f'{i.home}/box.backup'
        self.must('partition', 'create', 'box', '--so-pin-file', self.pin, '--pin-file', self.pin)

    def cli(self, *args):
        return self.i.cli(*args)

    def must(self, *args):
        r = self.i.cli(*args)
        assert r.returncode == 0, f'{args}: {r.stderr}'
        return r.stdout

    def generate(self, label, kind='aes:256', *more):
        self.must('key', 'generate', '--type', kind, '--label', label, '--pin-file', self.pin, *more)

    def create(self, *more):
        return json.loads(self.must('backup', 'create', '--json', '--pin-file', self.pin,
                                    '--passphrase-file', self.passphrase, *more, self.file))

    def restore(self, path, *more, passphrase=None):
        return self.cli('backup', 'restore', '--json', '--pin-file', self.pin, '--passphrase-file',
                        passphrase or self.passphrase, *more, path)

    def restored(self, path, *more):
        r = self.restore(path, *more)
        assert r.returncode == 0, r.stderr
        return json.loads(r.stdout)

    def objects(self):
        """objects: every attribute that may be told, of every object."""
        r = self.cli('object', 'show', '--json', '--pin-file', self.pin)
        if 'no object matches' in r.stderr:
            return []
        assert r.returncode == 0, r.stderr
        return sorted(json.dumps(o, sort_keys=True) for o in json.loads(r.stdout))


class Two:
    """Two HSMs; the second is another machine's, as far as the first is concerned."""

    def __init__(self, i):
        self.a, self.b = Hsm(i), Hsm(e2e.Instance(f'{i.home}-other'))

    def __enter__(self):
        return self.a, self.b

    def __exit__(self, *_):
        self.b.i.stop()


def test_every_type_of_key_comes_back_the_same(i):
    with Two(i) as (a, b):
        kinds = [t['type'] for t in json.loads(a.must('key', 'types', '--json'))]
        kinds = [k for k in kinds if not k.startswith(('rsa:3', 'rsa:4', 'rsa:8', 'slh', 'hss', 'xmss'))]
        for k in kinds:
            a.generate(k, k)
        a.generate('loose', 'ec:P-256', '--extractable')
        made = a.create()
        assert made['objects'] == len(a.objects()) >= len(kinds), made
        got = b.restored(a.file)
        assert got['new'] == made['objects'], got
        assert a.objects() == b.objects()
        data, signature = f'{i.home}/message', f'{i.home}/signature'
        open(data, 'w').write('signed before')
        b.must('sign', '--key', 'ec:P-256', '--pin-file', b.pin, '--in', data, '--out', signature)
        a.must('verify', '--key', 'ec:P-256', '--pin-file', a.pin, '--in', data, '--signature', signature)
        assert b.restored(a.file) == {'backup': a.file, 'dry run': False, 'same': made['objects']}
        b.i.kill('monitor')
        assert a.objects() == b.objects()


def test_stateful_keys_are_left_out_and_counted(i):
    with Two(i) as (a, b):
        for k in ('hss:H5W8', 'xmssmt:SHA2_20/4_192', 'aes:256'):
            a.generate(k, k)
        made = a.create()
        assert made['objects'] == 3 and made['left out (stateful keys)'] == 2, made
        assert b.restored(a.file)['new'] == 3
        sign = ('sign', '--key', 'hss:H5W8', '--in', a.pin, '--out', f'{i.home}/signature', '--pin-file')
        a.must(*sign, a.pin)
        assert b.cli(*sign, b.pin).returncode == 1
        b.must('verify', '--key', 'hss:H5W8', '--in', a.pin, '--signature', f'{i.home}/signature', '--pin-file', b.pin)


def test_stateful_keys_never_sign_twice(i):
    """Whatever backup they come back from, and wherever."""
    with Lost(i) as (a, b):
        message, signature = a.pin, f'{i.home}/signature'

        def sign(h):
            return h.cli('sign', '--key', 'state', '--in', message, '--out', signature, '--pin-file', h.pin)

        def left(h):
            got = json.loads(h.must('object', 'show', '--json', '--class', 'private', '--label', 'state',
                                    '--pin-file', h.pin))
            return json.dumps(got).count('HSS_KEYS_REMAINING": 0')

        a.generate('state', 'hss:H5W8')
        a.generate('other', 'aes:256')
        made = whole(a)
        assert made['left out (stateful keys)'] == 1, made
        told = json.loads(a.must('backup', 'verify', '--json', '--passphrase-file', a.passphrase, a.file))
        assert told['objects in this file'] == 2 and told['left out (stateful keys)'] == 1, told
        assert sign(a).returncode == 0
        first = a.file
        a.file += '2'
        made = whole(a, '--base', first)
        assert made['left out (stateful keys)'] == 1, made
        r = b.restore(first, a.file)  # the newest first
        assert r.returncode == 0, r.stderr
        assert sign(b).returncode == 1 and len(b.objects()) == 2
        b.must('verify', '--key', 'state', '--in', message, '--signature', signature, '--pin-file', b.pin)
        serial = json.loads(b.must('partition', 'list', '--json'))[0]['serial']
        b.must('partition', 'delete', serial, '--yes')

        a.must('policy', 'set', 'stateful-in-backups=yes', '--so-pin-file', a.pin, '--yes')  # destroys all
        assert a.objects() == []
        a.generate('state', 'hss:H5W8')
        a.file += '3'
        assert whole(a)['left out (stateful keys)'] == 0
        b.restored(a.file)
        r = sign(b)
        assert r.returncode == 1 and len(b.objects()) == 2, r.stderr
        assert sign(a).returncode == 0
        b.i.kill('monitor')
        assert sign(b).returncode == 1 and left(b) == 1 and left(a) == 0
        a.file += '4'
        made = a.create()
        assert made['objects'] == 2 and made['left out (stateful keys)'] == 0, made
        a.must('object', 'delete', '--class', 'private', '--label', 'state', '--pin-file', a.pin, '--yes')
        assert a.restored(a.file)['new'] == 1
        assert sign(a).returncode == 1 and left(a) == 1, 'where it was deleted it comes back used up'
        got = json.loads(a.must('backup', 'rehearse', '--json', '--passphrase-file', a.passphrase, a.file))
        assert got['failed'] == 0, got


def test_a_key_that_is_limited_stays_limited(i):
    with Two(i) as (a, b):
        a.generate('once', 'ec:P-256')
        a.must('key', 'guard', '--key', 'once', '--count', '1', '--pin-file', a.pin)
        data = f'{i.home}/message'
        open(data, 'w').write('x')
        sign = ('sign', '--key', 'once', '--in', data, '--out', f'{i.home}/signature', '--pin-file')
        a.must(*sign, a.pin)
        a.create()
        b.restored(a.file)
        r = b.cli(*sign, b.pin)
        assert r.returncode == 1 and 'no uses left' in r.stderr, r.stderr


def test_no_restore_gives_uses_back_to_a_key_that_is_there(i):
    with Two(i) as (a, b):
        os.environ['HOLDFAST_HOME'] = i.home
        from p11 import N, Token
        t = Token(e2e.MODULE)
        key = t.create(CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_EC, EC_PARAMS=bytes.fromhex('06082a8648ce3d030107'),
                       VALUE=bytes(range(1, 33)), LABEL=b'three', TOKEN=True, PRIVATE=True, SIGN=True)
        a.must('key', 'guard', '--key', 'three', '--count', '3', '--pin-file', a.pin)
        message = a.pin

        def sign(h, label='three'):
            return h.cli('sign', '--key', label, '--in', message, '--out', f'{i.home}/signature', '--pin-file', h.pin)
        a.create()
        first, a.file = a.file, f'{i.home}/later.backup'
        b.restored(first)
        assert sign(a).returncode == 0 and sign(a).returncode == 0
        t.set(key, LABEL=b'renamed')
        a.create()
        assert b.restored(a.file, '--on-collision', 'replace')['replaced'] == 1
        assert sign(b, 'renamed').returncode == 0, 'one use was left in the backup'
        r = sign(b, 'renamed')
        assert r.returncode == 1 and 'no uses left' in r.stderr, r.stderr
        assert a.restored(first, '--on-collision', 'replace')['replaced'] == 1
        assert sign(a).returncode == 0 and sign(a).returncode == 1, 'the older backup gave uses back'


def test_a_passphrase_is_stretched_by_pbkdf2_in_approved_mode(i):
    with Two(i) as (a, b):
        a.must('policy', 'set', 'non-approved-mechanisms=no', '--so-pin-file', a.pin, '--yes')
        a.generate('k')
        whole = f'{a.file}.whole'
        for path, make in ((a.file, a.create), (whole, lambda: a.must(
                'backup', 'create', '--whole', '--passphrase-file', a.passphrase, whole))):
            make()
            told = json.loads(a.must('backup', 'inspect', '--json', path))
            assert told['sealed to'] == ['a passphrase (PBKDF2)'], told
        a.must('backup', 'verify', '--passphrase-file', a.passphrase, whole)
        assert b.restore(a.file, passphrase=b.pin).returncode != 0
        assert b.restored(a.file)['new'] == 1


def test_a_wrong_passphrase_opens_nothing(i):
    h = Hsm(i)
    h.generate('k')
    h.create()
    wrong = f'{i.home}/wrong'
    open(wrong, 'w').write(PASS + '!')
    r = h.restore(h.file, passphrase=wrong)
    assert r.returncode == 1 and 'opens the backup' in r.stderr, r.stderr
    r = h.cli('backup', 'verify', '--passphrase-file', wrong, h.file)
    assert r.returncode == 1 and 'opens the backup' in r.stderr, r.stderr


def away(h, verb, path, *more):
    """away runs where there is no HSM, and starts none."""
    other = e2e.Instance(f'{h.i.home}-none')
    r = other.cli('backup', verb, '--json', *more, path)
    assert not os.path.exists(other.home), 'an HSM was started'
    return r


def test_a_backup_verifies_without_an_hsm(i):
    h = Hsm(i)
    h.generate('k')
    h.create()
    i.stop()
    told = json.loads(away(h, 'inspect', h.file).stdout)
    made = h.cli('audit', 'query', '--call', 'backup_begin').stdout
    assert f'backup {told["id"]} to a passphrase' in made, made
    assert told['partition'] == 'box' and told['pieces'] == 3, told
    told = json.loads(away(h, 'verify', h.file, '--passphrase-file', h.passphrase).stdout)
    assert told['whole'] and told['objects'] == 1, told


def test_damage_is_found_and_nothing_is_restored(i):
    with Two(i) as (a, b):
        for n in range(3):
            a.generate(f'k{n}', 'ec:P-256')
        a.create()
        whole, bad = open(a.file, 'rb').read(), f'{i.home}/bad'
        cuts = [whole[:n] for n in (0, 7, 20, 150, len(whole) // 2, len(whole) - 1)]
        flips = [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1:] for n in range(0, len(whole), 97)]
        for piece in cuts + flips + [whole + b'\0']:
            open(bad, 'wb').write(piece)
            r = away(a, 'inspect', bad)
            assert r.returncode == 1 and r.stderr.startswith('holdfast: '), r.stdout
        for piece in (cuts[3], cuts[5], flips[-1], flips[len(flips) // 2]):
            open(bad, 'wb').write(piece)
            assert b.restore(bad).returncode == 1
            assert b.objects() == []


def test_an_end_of_another_backup_is_refused(i):
    """Each frame is bound to its own file, so none can be lent to another."""
    h = Hsm(i)
    h.generate('k')
    h.create()
    first = h.file
    h.file += '2'
    h.create()
    a, b = open(first, 'rb').read(), open(h.file, 'rb').read()
    n = int.from_bytes(a[12:16], 'big')
    open(f'{i.home}/mixed', 'wb').write(a[:n] + b[n:])
    assert h.restore(f'{i.home}/mixed').returncode == 1


def test_a_newer_version_is_told_so(i):
    h = Hsm(i)
    h.generate('k')
    h.create()
    whole = bytearray(open(h.file, 'rb').read())
    whole[9] += 1
    open(h.file, 'wb').write(whole)
    r = away(h, 'inspect', h.file)
    assert r.returncode == 1 and 'newer version' in r.stderr, r.stderr
    r = h.restore(h.file)
    assert r.returncode == 1 and 'newer version' in r.stderr, r.stderr


def test_a_dry_run_changes_nothing(i):
    with Two(i) as (a, b):
        a.generate('k')
        a.create()
        got = b.restored(a.file, '--dry-run')
        assert got['new'] == 1 and got['dry run'] and b.objects() == []
        listed = json.loads(b.must('backup', 'list', '--json', '--pin-file', b.pin, '--passphrase-file',
                                   b.passphrase, a.file))
        assert [o['label'] for o in listed] == ['k'] and listed[0]['here'] == 'new', listed


def test_collisions_are_met_as_said(i):
    h = Hsm(i)
    os.environ['HOLDFAST_HOME'] = i.home
    from p11 import N, Token
    t = Token(e2e.MODULE)
    key = t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=bytes(range(32)), LABEL=b'before',
                   TOKEN=True, PRIVATE=True, SENSITIVE=False, EXTRACTABLE=True)
    h.create()
    was = h.objects()
    t.set(key, LABEL=b'after')
    assert h.objects() != was
    r = h.restore(h.file)
    assert r.returncode == 1 and '--on-collision' in r.stderr, r.stderr
    assert "first that differs: secret 'before', unique id " in r.stderr, r.stderr
    assert h.restored(h.file, '--on-collision', 'skip')['kept'] == 1 and h.objects() != was
    for outcome in ('renamed', 'same'):
        assert h.restored(h.file, '--on-collision', 'rename')[outcome] == 1
        assert len(h.objects()) == 2
    assert h.restored(h.file, '--on-collision', 'replace')['replaced'] == 1
    assert len(h.objects()) == 2 and was[0] in h.objects()
    assert h.restored(h.file)['same'] == 1
    t.set(key, SENSITIVE=True)
    assert h.restored(h.file, '--on-collision', 'replace')['kept: what is there may do less'] == 1
    assert was[0] not in h.objects()


def test_the_policy_and_the_role_decide(i):
    h = Hsm(i)
    h.generate('k')
    h.must('policy', 'set', 'backup=no', '--so-pin-file', h.pin, '--yes')
    r = h.cli('backup', 'create', '--pin-file', h.pin, '--passphrase-file', h.passphrase, h.file)
    assert r.returncode == 1 and 'policy' in r.stderr and not os.path.exists(h.file), r.stderr


def test_chosen_objects_only(i):
    with Two(i) as (a, b):
        for n in range(4):
            a.generate(f'k{n}')
        assert a.create('--label', 'k2')['objects'] == 1
        b.restored(a.file)
        assert len(b.objects()) == 1 and '"k2"' in b.objects()[0]


def test_a_full_disk_leaves_no_file(i):
    h = Hsm(i)
    h.generate('k', 'rsa:2048')
    r = subprocess.run([f'{e2e.BUILD}/holdfast', 'backup', 'create', '--pin-file', h.pin, '--passphrase-file',
                        h.passphrase, h.file], env=i.env, text=True, capture_output=True, timeout=60,
                       preexec_fn=lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
                                           resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))))
    assert r.returncode == 1 and 'no backup was made' in r.stderr, r.stderr
    assert not os.path.exists(h.file) and not os.path.exists(h.file + '.part')


def test_an_interrupted_restore_is_repeated(i):
    with Two(i) as (a, b):
        os.environ['HOLDFAST_HOME'] = i.home
        from p11 import N, Token
        t = Token(e2e.MODULE)
        for n in range(2500):
            t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=n.to_bytes(32, 'big'),
                     LABEL=str(n).encode(), TOKEN=True, PRIVATE=True)
        assert a.create()['objects'] == 2500
        for n in range(6):
            p = subprocess.Popen([f'{e2e.BUILD}/holdfast', 'backup', 'restore', '--pin-file', b.pin,
                                  '--passphrase-file', b.passphrase, a.file], env=b.i.env,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.1 * (n + 1))
            if n % 2 == 0:
                p.kill()
            else:
                b.i.kill('vault')
            p.wait(60)
        b.restored(a.file)
        assert a.objects() == b.objects()


def test_an_interrupted_backup_leaves_no_backup(i):
    h = Hsm(i)
    for n in range(20):
        h.generate(f'k{n}')
    p = subprocess.Popen([f'{e2e.BUILD}/holdfast', 'backup', 'create', '--pin-file', h.pin, '--passphrase-file',
                          h.passphrase, h.file], env=i.env, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    time.sleep(0.05)
    p.kill()
    p.wait(60)
    if not os.path.exists(h.file):
        h.create()
    assert away(h, 'verify', h.file, '--passphrase-file', h.passphrase).returncode == 0


def test_a_backup_under_load_is_of_one_moment(i):
    with Two(i) as (a, b):
        for n in range(30):
            a.generate(f'k{n}')
        stop = threading.Event()

        def load():
            n = 0
            while not stop.is_set():
                a.generate(f'later{n}')
                a.cli('object', 'delete', '--label', f'later{n}', '--yes', '--pin-file', a.pin)
                n += 1
        t = threading.Thread(target=load)
        t.start()
        try:
            made = [a.create() for a.file in (f'{i.home}/{n}.backup' for n in range(4))]
        finally:
            stop.set()
            t.join()
        assert all(30 <= m['objects'] <= 31 for m in made), made
        assert b.restored(a.file)['new'] == made[-1]['objects']


GOLDEN = f'{os.path.dirname(os.path.abspath(__file__))}/golden'


def test_files_of_every_version_are_read(i):
    """What earlier versions, and this one, wrote: one AES key, two key pairs."""
    h = Hsm(i)
    h.must('backup-key', 'create')
    for n, path in enumerate(sorted(os.listdir(GOLDEN))):
        told = json.loads(away(h, 'verify', f'{GOLDEN}/{path}', '--passphrase-file', h.passphrase).stdout)
        assert told['objects in this file'] == 5 and told['version'] == n + 1, told
        assert h.restored(f'{GOLDEN}/{path}', '--on-collision', 'rename')['new'] == 5
    assert n == 2, 'a version without its file'


def files(i, *names):
    return [f'{i.home}/{n}' for n in names]


def test_another_hsm_opens_what_is_sealed_to_it(i):
    with Two(i) as (a, b):
        card, = files(i, 'b.json')
        r = b.cli('backup-key', 'show')
        assert r.returncode == 1 and 'backup-key create' in r.stderr, r.stderr
        b.must('backup-key', 'create', '--out', card)
        assert json.load(open(card)) == json.loads(b.must('backup-key', 'show'))
        a.generate('k')
        a.must('backup', 'create', '--pin-file', a.pin, '--to-key', card, a.file)
        assert a.restore(a.file, '--dry-run').returncode == 1
        assert json.loads(b.must('backup', 'verify', '--json', a.file))['whole']
        assert json.loads(b.must('backup', 'restore', '--json', '--pin-file', b.pin, a.file))['new'] == 1
        assert a.objects() == b.objects()
        open(card, 'w').write('{"card": "00"}')
        r = a.cli('backup', 'create', '--pin-file', a.pin, '--to-key', card, a.file + '2')
        assert r.returncode == 1 and 'no file of a public key' in r.stderr, r.stderr


def test_custodians_open_together(i):
    with Two(i) as (a, b):
        card, = files(i, 'backup-key.json')
        a.must('backup-key', 'split', '2/3', '--out', i.home, '--pin-file', a.lines)
        a.generate('k')
        a.must('backup', 'create', '--pin-file', a.pin, '--to-key', card, a.file)
        take = ('backup', 'restore', '--json', '--pin-file', b.pin, a.file)
        give = ('backup', 'share', '--json', '--pin-file', a.passphrase, a.file)
        shares = files(i, 'share-1.json', 'share-2.json', 'share-3.json')
        assert json.loads(b.must(*give, shares[2]))['shares'] == 1
        r = b.cli(*take)
        assert r.returncode == 1 and 'custodians' in r.stderr, r.stderr
        r = b.cli(*give, shares[2])
        assert r.returncode == 1 and b.objects() == [], r.stderr
        assert json.loads(b.must(*give, shares[0])) == {'shares': 2, 'needed': 2}
        b.must('backup', 'verify', a.file)
        b.must(*take)
        assert a.objects() == b.objects()


def test_wrong_custodians_open_nothing(i):
    h = Hsm(i)
    first, other = files(i, 'first', 'other')
    for d in (first, other):
        os.mkdir(d)
        h.must('backup-key', 'split', '2/2', '--out', d, '--pin-file', h.lines)
    h.generate('k')
    h.must('backup', 'create', '--pin-file', h.pin, '--to-key', f'{first}/backup-key.json', h.file)
    for n in (1, 2):
        r = h.cli('backup', 'share', '--pin-file', h.passphrase, h.file, f'{other}/share-{n}.json')
        assert r.returncode == 1, r.stdout
    assert h.cli('backup', 'restore', '--pin-file', h.pin, h.file).returncode == 1


def test_any_of_several_recipients_opens(i):
    with Two(i) as (a, b):
        card, = files(i, 'b.json')
        b.must('backup-key', 'create', '--out', card)
        a.generate('k')
        a.create('--to-key', card)
        assert json.loads(away(a, 'inspect', a.file).stdout)['sealed to'][0] == 'a passphrase'
        assert b.cli('backup', 'list', '--pin-file', b.pin, a.file).returncode == 0
        assert a.restored(a.file)['same'] == 1


def softhsm(i):
    """softhsm makes a token "safe" with an AES key "aes" and an RSA pair "rsa"."""
    import shutil
    module = '/usr/lib/softhsm/libsofthsm2.so'
    if not (shutil.which('softhsm2-util') and shutil.which('pkcs11-tool') and os.path.exists(module)):
        print('softhsm2 and opensc are not installed')
        sys.exit(77)
    conf, tokens, pin = files(i, 'softhsm.conf', 'tokens', 'token-pin')
    os.makedirs(tokens)
    open(conf, 'w').write(f'directories.tokendir = {tokens}\nobjectstore.backend = file\n')
    open(pin, 'w').write('4321')
    i.env['SOFTHSM2_CONF'] = conf
    for c in (['softhsm2-util', '--init-token', '--free', '--label', 'safe', '--so-pin', '1234', '--pin', '4321'],
              ['pkcs11-tool', '--module', module, '-l', '--pin', '4321', '--keygen', '--key-type', 'AES:32',
               '--label', 'aes', '--usage-decrypt'],
              ['pkcs11-tool', '--module', module, '-l', '--pin', '4321', '--keypairgen', '--key-type', 'rsa:2048',
               '--label', 'rsa', '--usage-decrypt']):
        r = subprocess.run(c, env=i.env, capture_output=True, text=True, timeout=60)
        assert r.returncode == 0, r.stderr
    return ['--token-module', module, '--token-pin-file', pin]


def test_a_key_in_another_token_opens(i):
    os.makedirs(i.home, exist_ok=True)
    token = softhsm(i)
    with Two(i) as (a, b):
        b.i.env['SOFTHSM2_CONF'] = i.env['SOFTHSM2_CONF']
        a.generate('k')
        for key in ('aes', 'rsa'):
            a.file = f'{i.home}/{key}.backup'
            a.must('backup', 'create', '--pin-file', a.pin, *token, '--token', 'safe', '--token-key', key, a.file)
            r = b.cli('backup', 'restore', '--pin-file', b.pin, a.file)
            assert r.returncode == 1 and 'opens the backup' in r.stderr, r.stderr
            b.must('backup', 'verify', *token, a.file)
            b.must('backup', 'restore', '--pin-file', b.pin, *token, a.file)
        assert a.objects() == b.objects()
        open(f'{i.home}/token-pin', 'w').write('9999')
        assert b.cli('backup', 'restore', '--pin-file', b.pin, *token, a.file).returncode == 1


def chain(a):
    """chain makes a base and two increments, with a key new, one changed and one deleted in each."""
    for n in range(6):
        a.generate(f'k{n}')
    base, one, two = (f'{a.i.home}/{n}.backup' for n in ('base', 'one', 'two'))
    made = []
    for path, before in ((base, None), (one, base), (two, one)):
        a.file = path
        made.append(a.create(*(['--base', before] if before else [])))
        n = len(made)
        a.must('object', 'delete', '--label', f'k{n}', '--yes', '--pin-file', a.pin)
        a.generate(f'new{n}')
    a.must('object', 'delete', '--label', 'new3', '--yes', '--pin-file', a.pin)
    a.generate('k3')
    a.file = f'{a.i.home}/three.backup'
    a.create('--base', two)
    return base, one, two, a.file


def test_an_increment_holds_what_changed(i):
    with Two(i) as (a, b):
        base, one, two, three = chain(a)
        told = [json.loads(away(a, 'verify', p, '--passphrase-file', a.passphrase).stdout)
                for p in (base, one, two, three)]
        assert [t['objects in this file'] for t in told] == [6, 1, 1, 1], told
        assert [t['objects'] for t in told] == [6, 6, 6, 6], told
        a.file = f'{i.home}/four.backup'
        made = a.create('--base', three)
        assert made['objects'] == 6 and made['objects in this file'] == 0, made
        got = json.loads(b.must('backup', 'restore', '--json', '--pin-file', b.pin, '--passphrase-file',
                                b.passphrase, three, two, one, base))
        assert got['new'] == 6, got
        assert a.objects() == b.objects()


def test_a_chain_is_checked(i):
    with Two(i) as (a, b):
        base, one, two, three = chain(a)
        a.file = f'{i.home}/stranger.backup'
        a.create()
        for wrong in ([three], [three, two], [three, one, base], [three, two, one, a.file], [base, one]):
            r = b.cli('backup', 'restore', '--pin-file', b.pin, '--passphrase-file', b.passphrase, *wrong)
            assert r.returncode == 1, (wrong, r.stdout)
            assert b.objects() == []
        b.file = f'{i.home}/foreign.backup'
        r = b.cli('backup', 'create', '--pin-file', b.pin, '--passphrase-file', b.passphrase, '--base', base, b.file)
        assert r.returncode == 1 and not os.path.exists(b.file), r.stderr


class Bare(Hsm):
    """Bare has no partition: a machine that a lost one is restored to."""

    def __init__(self, i):
        self.i = i
        os.makedirs(i.home, exist_ok=True)
        self.pin, self.passphrase = f'{i.home}/pin', f'{i.home}/pass'
        self.lines = f'{i.home}/lines'
        for path, text in ((self.pin, PIN), (self.passphrase, PASS), (self.lines, f'{PASS}\n' * 5)):
            open(path, 'w').write(text)


class Lost(Two):
    def __init__(self, i):
        self.a, self.b = Hsm(i), Bare(e2e.Instance(f'{i.home}-other'))


def furnish(a):
    """furnish makes a second partition, a named user, policies, quotas and guards."""
    a.must('partition', 'create', 'other', '--so-pin-file', a.pin, '--pin-file', a.pin, '--client', 'uid:0,gid:7')
    a.must('partition', 'resize', 'other', '--count', '50')
    a.must('user', 'set', 'anna', '--partition', 'box', '--so-pin-file', a.pin, '--pin-file', a.passphrase)
    a.must('policy', 'set', 'raw-rsa=no', '--partition', 'box', '--so-pin-file', a.pin, '--yes')
    for n in range(5):
        a.generate(f'k{n}', 'ec:P-256', '--partition', 'box')
    a.generate('once', 'ec:P-256', '--partition', 'box')
    a.must('key', 'guard', '--key', 'once', '--count', '3', '--partition', 'box', '--pin-file', a.pin)


def same(a, b):
    a, b = told(a), told(b)
    for p in sorted(a.keys() | b.keys()):
        for x, y in zip(a[p], b[p]):
            assert x == y, (p, x, y)
    assert a == b


def told(h):
    """told: all that the HSM says of its partitions."""
    parts = json.loads(h.must('partition', 'list', '--json'))
    say = {}
    for p in sorted(p['label'] for p in parts):
        say[p] = [json.loads(h.must(*c, '--json')) for c in (
            ('partition', 'show', p), ('user', 'list', '--partition', p), ('policy', 'show', '--partition', p))]
        for counted in ('objects', 'bytes'):  # those in memory
            say[p][0].pop(counted)
        r = h.cli('object', 'show', '--json', '--pin-file', h.pin, '--partition', p)
        say[p].append(sorted(json.dumps(o, sort_keys=True) for o in json.loads(r.stdout or '[]')))
    return say


def whole(a, *more):
    return json.loads(a.must('backup', 'create', '--json', '--whole', '--passphrase-file', a.passphrase,
                             *more, a.file))


def test_a_lost_hsm_comes_back_whole(i):
    with Lost(i) as (a, b):
        furnish(a)
        made = whole(a)
        assert made['partitions'] == ['box', 'other'] and not made['left out (policy backup)'], made
        a.i.stop()
        got = json.loads(b.must('backup', 'list', '--json', '--passphrase-file', b.passphrase, a.file))
        assert [(p['partition'], p['objects'], p['here']) for p in got] == [('box', 12, 'new'), ('other', 0, 'new')] \
            or [(p['partition'], p['objects'], p['here']) for p in got] == [('other', 0, 'new'), ('box', 12, 'new')], got
        assert json.loads(b.must('partition', 'list', '--json')) == []
        b.restored(a.file)
        same(a, b)
        data, signature = f'{i.home}/message', f'{i.home}/signature'
        open(data, 'w').write('signed before')
        sign = ('--partition', 'box', '--key', 'k1', '--in', data)
        b.must('sign', *sign, '--out', signature, '--user', 'anna', '--pin-file', b.passphrase)
        a.must('verify', *sign, '--signature', signature, '--pin-file', a.pin)
        wrong = f'{i.home}/wrong'
        open(wrong, 'w').write('87654321')
        assert b.cli('sign', *sign, '--out', '/dev/null', '--pin-file', wrong).returncode == 1
        b.must('object', 'list', '--partition', 'box', '--pin-file', b.pin)
        b.i.kill('monitor')
        same(a, b)
        assert b.restored(a.file)['same'] == 2, 'repeated, it changes nothing'
        b.must('object', 'delete', '--partition', 'box', '--pin-file', b.pin, '--label', 'k1', '--yes')
        for rule in ('fail', 'rename', 'replace'):
            r = b.restore(a.file, '--on-collision', rule)
            assert r.returncode == 1 and 'holdfast partition delete' in r.stderr, r.stderr
        got = b.restored(a.file, '--on-collision', 'skip')
        assert got['kept'] == 1 and got['same'] == 1, got
        serial = [p['serial'] for p in json.loads(b.must('partition', 'list', '--json')) if p['label'] == 'box'][0]
        r = b.restore(a.file)
        assert f"'holdfast partition delete {serial}'" in r.stderr and f"'--partition {serial}'" in r.stderr, r.stderr
        b.must('partition', 'delete', serial, '--yes')
        assert b.restored(a.file, '--partition', serial)['new'] == 1
        same(a, b)


def test_a_whole_backup_gives_the_partition_that_is_named(i):
    with Lost(i) as (a, b):
        furnish(a)
        whole(a)
        r = b.restore(a.file, '--partition', 'none')
        assert r.returncode == 1 and "no partition 'none'" in r.stderr, r.stderr
        assert json.loads(b.must('partition', 'list', '--json')) == []
        assert b.restored(a.file, '--partition', 'other')['new'] == 1
        assert [p['label'] for p in json.loads(b.must('partition', 'list', '--json'))] == ['other']
        serial = [p['serial'] for p in json.loads(a.must('partition', 'list', '--json')) if p['label'] == 'box'][0]
        assert b.restored(a.file, '--partition', serial)['new'] == 1
        r = b.restore(a.file, '--label', 'k1')
        assert r.returncode == 1 and '--partition' in r.stderr, r.stderr


def test_a_label_that_is_taken_is_a_collision(i):
    with Lost(i) as (a, b):
        furnish(a)
        whole(a)
        b.must('partition', 'create', 'box', '--so-pin-file', b.pin, '--pin-file', b.pin)

        def labels():
            return sorted(p['label'] for p in json.loads(b.must('partition', 'list', '--json')))
        r = b.restore(a.file)
        assert r.returncode == 1 and 'COLLISION' in r.stderr and labels() == ['box'], r.stderr
        mine = json.loads(b.must('partition', 'list', '--json'))[0]['serial']
        assert f"the label 'box' is that of another partition here, {mine}: '--on-collision rename'" in r.stderr
        got = b.restored(a.file, '--on-collision', 'skip')
        assert got['kept'] == 1 and got['new'] == 1 and labels() == ['box', 'other'], got
        got = b.restored(a.file, '--on-collision', 'rename', '--partition', 'box', '--dry-run')
        assert got['renamed'] == 1 and got['called'] == 'box 2' and labels() == ['box', 'other'], got
        got = b.restored(a.file, '--on-collision', 'rename', '--partition', 'box')
        assert got['renamed'] == 1 and labels() == ['box', 'box 2', 'other'], got
        b.must('object', 'list', '--partition', 'box 2', '--pin-file', b.pin)
        assert b.restored(a.file, '--on-collision', 'rename')['same'] == 2


def test_some_objects_of_a_backup_come_back(i):
    with Two(i) as (a, b):
        for label in ('one', 'two', 'three'):
            a.generate(label)
        a.generate('pair', 'ec:P-256', '--id', '0a0b')
        a.create()
        assert b.restored(a.file, '--label', 'two', '--dry-run')['new'] == 1
        assert b.restored(a.file, '--label', 'two')['new'] == 1
        assert b.restored(a.file, '--id', '0a0b', '--class', 'private')['new'] == 1
        for dry in ((), ('--dry-run',)):
            r = b.restore(a.file, '--label', 'none', *dry)
            assert r.returncode == 1 and 'no object of the backup matches' in r.stderr, r.stderr
        assert len(b.objects()) == 2
        got = b.restored(a.file)
        assert got['new'] == 3 and got['same'] == 2, got


def test_each_custodian_has_a_passphrase_of_his_own(i):
    h = Hsm(i)
    lines, first, second = files(i, 'lines', 'first', 'second')
    out = f'{i.home}/sh'
    os.makedirs(out)
    for make in (('backup-key', 'split', '2/2'), ('quorum', 'create', '2/2', '--yes')):
        r = h.cli(*make, '--out', out, '--pin-file', h.passphrase)
        assert r.returncode == 2 and 'no line 2' in r.stderr and not os.listdir(out), r.stderr
    open(lines, 'w').write('first words of one\nsecond words of another\n')
    open(first, 'w').write('first words of one\n')
    open(second, 'w').write('second words of another\n')
    h.must('backup-key', 'split', '2/2', '--out', out, '--pin-file', lines)
    h.generate('k')
    h.must('backup', 'create', '--pin-file', h.pin, '--to-key', f'{out}/backup-key.json', h.file)
    assert h.cli('backup', 'share', h.file, f'{out}/share-2.json', '--pin-file', first).returncode == 1
    h.must('backup', 'share', h.file, f'{out}/share-1.json', '--pin-file', first)
    h.must('backup', 'share', h.file, f'{out}/share-2.json', '--pin-file', second)


def test_a_dry_run_finds_that_there_is_no_room(i):
    with Two(i) as (a, b):
        for n in range(5):
            a.generate(f'k{n}')
        a.create()
        b.must('partition', 'resize', 'box', '--count', '3')
        for more in (('--dry-run',), ()):
            r = b.restore(a.file, *more)
            assert r.returncode == 1 and 'LIMIT' in r.stderr and b.objects() == [], r.stderr
            assert 'the partition\'s or the HSM\'s limit of 3 objects; nothing was restored' in r.stderr, r.stderr
        b.must('backup', 'list', '--pin-file', b.pin, '--passphrase-file', b.passphrase, a.file)
        assert b.restored(a.file, '--dry-run', '--label', 'k1')['new'] == 1


def test_what_goes_wrong_is_said_as_it_is(i):
    h = Hsm(i)
    h.generate('k')
    short, wrong = files(i, 'short', 'wrong')
    open(short, 'w').write('abc')
    open(wrong, 'w').write('87654321')
    token = f'{i.home}/token'
    for make in (('backup', 'create', '--pin-file', h.pin, h.file), ('backup', 'token', token)):
        r = h.cli(*make, '--passphrase-file', short)
        assert r.returncode == 1 and 'passphrase' in r.stderr and re.search('takes [0-9]+ to [0-9]+ bytes', r.stderr), \
            r.stderr
    assert not os.path.exists(token) and not glob.glob(h.file + '*')
    h.must('backup', 'token', token, '--passphrase-file', h.passphrase)
    r = h.cli('object', 'list', '--pin-file', wrong)
    assert r.stderr.count('holdfast: ') == 1, r.stderr
    with open(h.file + '.part', 'w') as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        r = h.cli('backup', 'create', '--pin-file', h.pin, '--passphrase-file', h.passphrase, h.file)
        assert r.returncode == 1 and 'busy' in r.stderr and not os.path.exists(h.file), r.stderr
    h.create()
    told = json.loads(h.must('--json', 'backup', 'verify', '--passphrase-file', h.passphrase, h.file))
    assert told['objects'] == 1, told
    told = json.loads(h.must('--home', i.home, '--json', 'backup', 'inspect', h.file))
    assert told['pieces'] > 0, told
    r = subprocess.run([f'{e2e.BUILD}/holdfast', 'backup', 'verify', h.file], env=i.env, text=True, start_new_session=True,
                       capture_output=True)
    assert r.returncode == 1 and 'use --passphrase-file or --passphrase-fd' in r.stderr, r.stderr
    base, h.file = h.file, h.file + '-2'
    told = h.create('--base', base)
    r = h.restore(h.file, base)
    assert r.returncode == 1 and 'name the newest first' in r.stderr, r.stderr
    out, lines = files(i, 'shares', 'lines')
    os.makedirs(out)
    h.must('backup-key', 'split', '2/3', '--out', out, '--pin-file', lines)
    h.file += '3'
    h.must('backup', 'create', '--pin-file', h.pin, '--to-key', f'{out}/backup-key.json', h.file)
    h.must('backup', 'share', h.file, f'{out}/share-1.json', '--pin-file', lines)
    r = h.cli('backup', 'restore', '--pin-file', h.pin, h.file)
    assert r.returncode == 1 and '1 of 2 shares were given' in r.stderr, r.stderr


def test_a_partition_whose_key_was_replaced_comes_back(i):
    with Lost(i) as (a, b):
        furnish(a)
        turn = ('rotate', 'partition', 'box', '--so-pin-file', a.pin, '--yes')
        a.must(*turn)
        whole(a)
        b.restored(a.file)
        same(a, b)
        b.must(*turn[:4], b.pin, '--yes')
        same(a, b)
        b.i.stop()
        same(a, b)


def test_what_is_known_of_uses_comes_along(i):
    with Lost(i) as (a, b):
        for k in ('ec', 'idle'):
            a.generate(k, 'ec:P-256')
        for _ in range(3):
            a.must('sign', '--key', 'ec', '--in', a.pin, '--out', f'{i.home}/signature', '--pin-file', a.pin)
        a.i.stop()  # they are kept then

        def uses(h):
            return json.loads(h.must('key', 'usage', '--json', '--key', 'ec', '--pin-file', h.pin))
        whole(a)
        b.restored(a.file)
        assert uses(a)['sign'] == 3 and uses(a) == uses(b), (uses(a), uses(b))


def test_without_a_pin_nobody_reads_private_objects(i):
    """Not even who has the file, its passphrase and the HSM that it was restored to."""
    with Lost(i) as (a, b):
        from p11 import N, Token
        os.environ['HOLDFAST_HOME'] = i.home
        value = bytes(range(100, 132))
        Token(e2e.MODULE).create(CLASS=N.CKO_DATA, LABEL=b'd', VALUE=value, TOKEN=True, PRIVATE=True)
        whole(a)
        b.restored(a.file)
        assert json.loads(b.must('object', 'list', '--json', '--no-login') or '[]') == []
        assert len(b.objects()) == 1
        b.must('partition', 'delete', json.loads(b.must('partition', 'list', '--json'))[0]['serial'], '--yes')
        b.restored(a.file)
        assert len(b.objects()) == 1


def test_a_partition_that_may_not_leave_is_left_out(i):
    with Lost(i) as (a, b):
        furnish(a)
        a.must('policy', 'set', 'backup=no', '--partition', 'other', '--so-pin-file', a.pin, '--yes')
        made = whole(a)
        assert made['partitions'] == ['box'] and made['left out (policy backup)'] == ['other'], made
        b.restored(a.file)
        assert [p['label'] for p in json.loads(b.must('partition', 'list', '--json'))] == ['box']
        a.file += '2'
        r = a.cli('backup', 'create', '--whole', '--partition', 'other', '--passphrase-file', a.passphrase, a.file)
        assert r.returncode == 1 and 'policy' in r.stderr and not os.path.exists(a.file), r.stderr


def test_an_increment_of_a_whole_hsm(i):
    with Lost(i) as (a, b):
        furnish(a)
        base = a.file
        before = whole(a)['objects']
        a.must('object', 'delete', '--label', 'k0', '--yes', '--partition', 'box', '--pin-file', a.pin)
        a.generate('later', 'aes:256', '--partition', 'other')
        a.must('user', 'delete', 'anna', '--yes', '--partition', 'box', '--so-pin-file', a.pin)
        a.file = f'{i.home}/increment.backup'
        made = whole(a, '--base', base)
        n = json.loads(a.must('backup', 'verify', '--json', '--passphrase-file', a.passphrase, a.file))
        assert n['objects in this file'] == made['objects in this file'] == 1, (n, made)
        assert made['objects'] == before - 1 < n['records'], (n, made, before)  # a pair went, a secret key came
        assert b.restore(a.file).returncode == 1
        middle, a.file = a.file, f'{i.home}/unchanged.backup'
        whole(a, '--base', middle)
        b.must('backup', 'restore', '--passphrase-file', b.passphrase, a.file, middle, base)
        same(a, b)


def test_a_restore_that_was_cut_short_leaves_no_partition(i):
    with Lost(i) as (a, b):
        os.environ['HOLDFAST_HOME'] = i.home
        from p11 import N, Token
        t = Token(e2e.MODULE)
        for n in range(3000):
            t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=n.to_bytes(32, 'big'),
                     LABEL=str(n).encode(), TOKEN=True, PRIVATE=True)
        whole(a)
        b.must('status')
        for n in range(6):
            p = subprocess.Popen([f'{e2e.BUILD}/holdfast', 'backup', 'restore', '--passphrase-file', b.passphrase,
                                  '--on-collision', 'skip', a.file], env=b.i.env,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.08 * (n + 1))
            if n % 2 == 0:
                p.kill()
            else:
                b.i.kill('vault')
            p.wait(60)
            left = json.loads(b.must('partition', 'list', '--json'))
            assert left == [] or left[0]['objects'] in (0, 3000), left
        b.restored(a.file, '--on-collision', 'skip')
        same(a, b)


def test_a_whole_backup_under_load_is_of_one_moment(i):
    """A pair is made in one step; a backup has both halves or none."""
    with Lost(i) as (a, b):
        os.environ['HOLDFAST_HOME'] = i.home
        stop = threading.Event()

        def load():
            n = 0
            while not stop.is_set():
                a.generate(f'pair{n}', 'ed25519')
                a.cli('object', 'delete', '--label', f'pair{n - 2}', '--yes', '--pin-file', a.pin)
                n += 1
        t = threading.Thread(target=load)
        t.start()
        try:
            for a.file in (f'{i.home}/{n}.backup' for n in range(4)):
                whole(a)
        finally:
            stop.set()
            t.join()
        b.restored(a.file)
        labels = [json.loads(o)['LABEL'] for o in b.objects()]
        assert labels and all(labels.count(x) == 2 for x in labels), labels


class Medium:
    """Medium is a removable token, mounted read-only where this may be done."""

    def __init__(self, i, path):
        self.path, self.run = path, f'{i.home}-run'
        os.mkdir(self.run, 0o700)
        self.hsm = Bare.__new__(Bare)
        self.hsm.i = e2e.Instance(path, XDG_RUNTIME_DIR=self.run)
        self.hsm.pin, self.hsm.passphrase = f'{i.home}/pin', f'{i.home}/pass'
        self.mounted = False

    def __enter__(self):
        mount = subprocess.run(['mount', '--bind', self.path, self.path], capture_output=True)
        self.mounted = mount.returncode == 0
        if self.mounted:
            subprocess.run(['mount', '-o', 'remount,bind,ro', self.path], check=True)
        else:
            subprocess.run(['chmod', '-R', 'a-w', self.path], check=True)
        return self.hsm

    def __exit__(self, *_):
        self.hsm.i.stop()
        if self.mounted:
            subprocess.run(['umount', '-l', self.path], check=True)
        subprocess.run(['chmod', '-R', 'u+w', self.path], check=True)


def contents(path):
    return {os.path.join(d, f): open(os.path.join(d, f), 'rb').read() for d, _, fs in os.walk(path) for f in fs}


def protected(t):
    """protected: applications are told so, too."""
    from p11 import N, ULONG
    os.environ.update(t.i.env)
    lib = ctypes.CDLL(e2e.MODULE)
    slots, n, info, session = (ULONG * 8)(), ULONG(8), (ctypes.c_char * 512)(), ULONG(0)
    assert lib.C_Initialize(None) == 0 and lib.C_GetSlotList(1, slots, ctypes.byref(n)) == 0
    assert lib.C_GetTokenInfo(ULONG(slots[0]), info) == 0
    assert int.from_bytes(info.raw[96:104], sys.byteorder) & N.CKF_WRITE_PROTECTED
    assert lib.C_OpenSession(ULONG(slots[0]), ULONG(N.CKF_SERIAL_SESSION | N.CKF_RW_SESSION), None, None,
                             ctypes.byref(session)) == N.CKR_TOKEN_WRITE_PROTECTED
    assert lib.C_OpenSession(ULONG(slots[0]), ULONG(N.CKF_SERIAL_SESSION), None, None, ctypes.byref(session)) == 0
    assert lib.C_Finalize(None) == 0


def removable(i):
    """removable makes a token of an HSM with an EC, a stateful and a limited key, in partition box."""
    a = Hsm(i)
    a.generate('k', 'ec:P-256')
    a.generate('state', 'hss:H5W8')
    a.generate('limited', 'ec:P-256')
    a.must('key', 'guard', '--key', 'limited', '--count', '3', '--pin-file', a.pin)
    a.must('partition', 'create', 'other', '--so-pin-file', a.pin, '--pin-file', a.pin)
    path = f'{i.home}/usb'
    told = json.loads(a.must('backup', 'token', '--json', '--partition', 'box', '--passphrase-file', a.passphrase, path))
    assert told['partitions'] == ['box'] and told['left out (stateful keys)'] == 1 and told['token'] == path, told
    return a, path


def test_a_removable_token_signs_and_writes_nothing(i):
    a, path = removable(i)
    before = contents(path)
    assert {os.path.basename(f) for f in before} >= {'store.db', 'anchor', 'holdfast.conf', 'token-id'}, list(before)
    assert not any('making' in f or f.endswith(('.sock', 'daemon.log')) for f in before), list(before)
    a.i.stop()
    with Medium(i, path) as t:
        data, signature = f'{i.home}/message', f'{i.home}/signature'
        open(data, 'w').write('in an emergency')
        sign = ('--in', data, '--out', signature, '--pin-file', t.pin)
        assert t.cli('sign', '--key', 'k', *sign).returncode == 1, 'it is locked'
        t.must('unlock', '--pin-file', t.passphrase)
        t.must('sign', '--key', 'k', *sign)
        a.must('verify', '--partition', 'box', '--key', 'k', '--in', data, '--signature', signature, '--pin-file', a.pin)
        for refused in (('key', 'generate', '--type', 'aes:256', '--label', 'x', '--pin-file', t.pin),
                        ('object', 'delete', '--label', 'k', '--yes', '--pin-file', t.pin),
                        ('partition', 'create', 'x', '--so-pin-file', t.pin, '--pin-file', t.pin),
                        ('partition', 'delete', 'box', '--yes'),
                        ('policy', 'set', 'backup=no', '--so-pin-file', t.pin, '--yes'),
                        ('backup-key', 'create'),
                        ('passphrase', '--pin-file', t.pin),
                        ('sign', '--key', 'limited', *sign)):
            r = t.cli(*refused)
            assert r.returncode == 1 and 'WRITE_PROTECTED' in r.stderr, (refused, r.stderr)
        r = t.cli('sign', '--key', 'state', *sign)
        assert r.returncode == 1, r.stderr
        assert len(json.loads(t.must('object', 'list', '--json', '--pin-file', t.pin))) == 5
        assert 'sign' in t.must('audit', 'show')
        t.i.kill('vault')
        t.must('unlock', '--pin-file', t.passphrase)
        t.must('sign', '--key', 'k', *sign)
        protected(t)
        assert contents(path) == before
        assert oct(os.stat(glob.glob(f'{i.home}-run/holdfast-*')[0]).st_mode & 0o777) == '0o700'


def test_a_removable_token_counts_wrong_pins(i):
    """In its runtime directory: a daemon that ends does not begin anew."""
    a, path = removable(i)
    wrong = f'{i.home}/wrong'
    open(wrong, 'w').write('00000000')
    with Medium(i, path) as t:
        t.must('unlock', '--pin-file', t.passphrase)
        for n in range(10):
            assert t.cli('object', 'list', '--pin-file', wrong).returncode == 1
            if n == 5:
                t.i.kill('monitor')
                t.must('unlock', '--pin-file', t.passphrase)
        r = t.cli('object', 'list', '--pin-file', t.pin)
        assert r.returncode == 1 and 'LOCKED' in r.stderr, r.stderr


def names_its_backup(h):
    """names_its_backup: the last rehearsal's record has the id that `backup inspect` prints."""
    id_ = json.loads(h.must('backup', 'inspect', '--json', h.file))['id']
    last = h.must('audit', 'query', '--json', '--call', 'rehearse').splitlines()[-1]
    return f'backup {id_}: ' in json.loads(last)['detail']


def test_a_rehearsal_uses_every_key(i):
    h = Hsm(i)
    kinds = [t['type'] for t in json.loads(h.must('key', 'types', '--json'))]
    kinds = [k for k in kinds if not k.startswith(('rsa:3', 'rsa:4', 'rsa:8', 'slh', 'hss', 'xmss'))]
    for k in kinds:
        h.generate(k, k)
    h.generate('guarded', 'ec:P-256')
    h.must('key', 'guard', '--key', 'guarded', '--count', '1', '--pin-file', h.pin)
    with open(f'{i.home}/key-pin', 'w') as f:
        f.write('another-pin')
    h.must('key', 'pin', '--key', 'guarded', '--pin-file', h.pin, '--key-pin-file', f'{i.home}/key-pin')
    made = h.create()
    before = h.objects()
    got = json.loads(h.must('backup', 'rehearse', '--json', '--passphrase-file', h.passphrase, h.file))
    assert got['failed'] == 0 and got['keys used'] == made['objects'], got
    assert h.objects() == before
    assert len(json.loads(h.must('partition', 'list', '--json'))) == 1
    assert f'holdfast_rehearsal_keys {made["objects"]}' in h.must('metrics')
    assert '0 failed' in h.must('status') and names_its_backup(h)
    h.file += '2'
    whole(h)
    got = json.loads(h.must('backup', 'rehearse', '--json', '--passphrase-file', h.passphrase, h.file))
    private = sum(o['private'] for o in json.loads(h.must('object', 'list', '--json', '--pin-file', h.pin)))
    assert got['private objects not opened'] == private > 0 and 'under the PINs' in got['why'], got
    assert got['partitions'][0]['objects'] == made['objects'], got
    assert got['records opened'] > made['objects'] - private, got
    assert 'here' not in got['partitions'][0], got
    told = f'holdfast_rehearsal_records {got["records opened"]}'
    assert told in h.must('metrics')
    i.kill('monitor')
    after = h.must('metrics')
    assert told in after and 'holdfast_rehearsal_timestamp_seconds ' in after
    assert f'{got["records opened"]} records' in h.must('status')
    assert names_its_backup(h) and h.must('audit', 'show').count('rehearse') >= 2


def test_a_rehearsal_that_is_cut_short_leaves_nothing(i):
    h = Hsm(i)
    for n in range(30):
        h.generate(f'k{n}', 'ec:P-256')
    h.create()
    for n in range(4):
        p = subprocess.Popen([f'{e2e.BUILD}/holdfast', 'backup', 'rehearse', '--passphrase-file', h.passphrase,
                              h.file], env=i.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.05 * (n + 1))
        if n % 2 == 0:
            p.kill()
        else:
            i.kill('vault')
        p.wait(60)
    assert len(json.loads(h.must('partition', 'list', '--json'))) == 1
    i.kill('monitor')
    h.must('status')
    import sqlite3
    i.stop()
    db = sqlite3.connect(f'{i.home}/data/store.db')
    serials = {bytes(n)[2:18] for n, in db.execute("SELECT name FROM records WHERE name >= 'p/'") if bytes(n)[:2] == b'p/'}
    assert len(serials) == 1, serials


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
