#!/usr/bin/env python3
"""custodians.py BUILD TEST: shares in files, on smartcards and on tokens, given by
several people at several terminals."""
import ctypes
import fcntl
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import termios

import e2e

sys.path.insert(0, f'{os.path.dirname(os.path.abspath(__file__))}/../support')
import vcard  # noqa: E402

PASS = 'passphrase-of-a-custodian'
CKR_ACTION_PROHIBITED = 0x1b
SOFTHSM = '/usr/lib/softhsm/libsofthsm2.so'
NAMES = ['anna', 'bert', 'carla', 'dora', 'emil']


class Hsm:
    def __init__(self, i):
        self.i, self.dir = i, i.home
        os.makedirs(i.home, exist_ok=True)
        self.passphrase = self.secret('pass', '\n'.join([PASS] * 5))

    def secret(self, name, text):
        path = f'{self.dir}/{name}'
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text + '\n')
        return path

    def must(self, *args):
        r = self.i.cli(*args)
        assert r.returncode == 0, f'{args}: {r.stdout}{r.stderr}'
        return r.stdout

    def refused(self, name, *args):
        r = self.i.cli(*args)
        assert r.returncode != 0 and f'({name})' in r.stderr, f'{args}: {r.stdout}{r.stderr}'
        return r.stderr

    def restart(self):
        self.i.stop()

    def state(self):
        return json.loads(self.must('status', '--json'))['state'].split(':')[0]

    def create(self, terms='2/3', *where, verb='create', names=True):
        n = int(terms.split('/')[1]) if '/' in terms else 3
        return self.must('quorum', verb, terms, '--yes', '--pin-file', self.passphrase,
                         *(where or ['--out', self.dir]),
                         *(['--names', ','.join(NAMES[:n])] if names else []))

    def share(self, n, *more):
        return json.loads(self.must('quorum', 'share', '--json', f'{self.dir}/share-{n}.json',
                                    '--pin-file', self.passphrase, *more))

    def status(self):
        return json.loads(self.must('quorum', 'status', '--json'))


class Terminal:
    """Somebody at a terminal, who is asked."""

    def __init__(self, h, *args):
        self.fd, slave = os.openpty()
        self.said = ''
        self.p = subprocess.Popen([f'{e2e.BUILD}/holdfast', *args], env=h.i.env, stdin=slave, stdout=slave,
                                  stderr=slave, start_new_session=True,
                                  preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def more(self):
        try:
            text = os.read(self.fd, 4096).decode()
        except OSError:  # it has ended
            text = ''
        self.said += text
        return text

    def asked(self, what):
        while what not in self.said:
            assert self.more(), self.said

    def keeps(self, *names):
        for name in names:
            for what in (f'of {name}: ', f'of {name}, once more: '):
                self.asked(what)
                os.write(self.fd, (PASS + '\n').encode())

    def ends(self):
        while self.more():
            pass
        os.close(self.fd)
        return self.p.wait()

    def killed(self):
        self.p.kill()
        self.ends()


def cards(n, **kw):
    what = vcard.missing()
    if what:
        raise e2e.Skip(f'{what} is not there')
    return vcard.Readers(n, **kw)


def with_cards(i, r):
    i.env.update(r.env)
    h = Hsm(i)
    h.pin = h.secret('cardpin', '1234')
    return h


# --- cards ---------------------------------------------------------------------------

def card_share(h, r, n, pin=None):
    return h.i.cli('quorum', 'share', '--card', r.names[n], '--pin-file', pin or h.pin)


def dealt_to_cards(h, r, terms='2/3', verb='create', *more):
    return h.must('quorum', verb, terms, '--card', ','.join(r.names), '--pin-file', h.pin, '--yes', *more)


def deals_to(h, r, terms, order, *more):
    """deals_to changes cards in one reader whenever the program asks for the next."""
    p = subprocess.Popen([f'{e2e.BUILD}/holdfast', 'quorum', 'create', terms, '--card', r.names[0], '--pin-file',
                          h.pin, '--yes', *more], env=h.i.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE)
    said = b''
    for n in order:
        while not said.endswith(b'press Enter. '):
            c = p.stderr.read(1)
            if not c:
                break
            said += c
        r.put(n)
        said = b''
        try:
            p.stdin.write(b'\n')
            p.stdin.flush()
        except BrokenPipeError:
            pass
    rest = p.communicate()[1]
    return p.returncode, (said + rest).decode()


def test_three_of_five_cards_in_one_reader_unlock(i):
    """the cards are changed as the program asks for them"""
    with cards(5) as r:
        h = with_cards(i, r)
        code, said = deals_to(h, r, '3/5', range(5), '--names', ','.join(NAMES))
        assert code == 0, said
        h.restart()
        assert h.state() == 'locked'
        for n in (0, 3, 4):
            r.put(n)
            assert card_share(h, r, 0).returncode == 0
        assert h.state() == 'operational'


def test_a_card_that_was_not_changed_is_told(i):
    with cards(3) as r:
        h = with_cards(i, r)
        code, said = deals_to(h, r, '2/3', (0, 1, 1))
        assert code != 0 and 'holds another of these shares' in said and 'nothing has changed' in said, said


def test_shares_on_cards_unlock(i):
    with cards(2) as r:
        h = with_cards(i, r)
        dealt_to_cards(h, r, '2/2', 'create', '--names', 'anna,bert')
        h.restart()
        assert h.state() == 'locked'
        for n in range(2):
            assert card_share(h, r, n).returncode == 0
        assert h.state() == 'operational'


def test_a_blank_card_gets_its_files(i):
    with cards(2, prepared=False) as r:
        h = with_cards(i, r)
        dealt_to_cards(h, r, '2/2')
        h.restart()
        for n in range(2):
            assert card_share(h, r, n).returncode == 0
        assert h.state() == 'operational'


def test_a_card_tells_whose_share_it_holds(i):
    with cards(2, enforces=False) as r:
        h = with_cards(i, r)
        assert json.loads(h.must('quorum', 'cards', '--json'))[0]['card'] == 'no share'
        dealt_to_cards(h, r, '2/2', 'create', '--names', 'anna,bert')
        serial = json.loads(h.must('status', '--json'))['serial']
        told = json.loads(h.must('quorum', 'cards', '--json'))
        assert [c['reader'] for c in told] == r.names, told
        assert 'share 2 of 2, of bert' in told[1]['card'] and serial in told[1]['card'], told


def test_a_card_that_everybody_reads_holds_nothing_in_the_clear(i):
    with cards(2, enforces=False) as r:
        h = with_cards(i, r)
        dealt_to_cards(h, r, '2/2')
        wrong = h.secret('wrong', '9999')
        r.cards[0].SAM.PIN = b'9999'  # as if the card took any
        h.restart()
        e = card_share(h, r, 0, wrong)
        assert '(PIN_INCORRECT)' in e.stderr, e.stderr
        assert h.state() == 'locked'


def test_a_wrong_pin_costs_a_try_and_is_told(i):
    with cards(2) as r:
        h = with_cards(i, r)
        dealt_to_cards(h, r, '2/2')
        h.restart()
        wrong = h.secret('wrong', '9999')
        for left in (2, 1):
            e = card_share(h, r, 0, wrong).stderr
            assert '(PIN_INCORRECT)' in e and f'{left} times more' in e, e
        e = card_share(h, r, 0, wrong).stderr
        assert '(PIN_LOCKED)' in e, e
        assert '(PIN_LOCKED)' in card_share(h, r, 0).stderr


def test_cards_keep_the_old_share_until_the_new_is_in_force(i):
    with cards(2) as r:
        h = with_cards(i, r)
        dealt_to_cards(h, r, '2/2')
        h.refused('QUORUM', 'quorum', 'change', '2/2', '--card', ','.join(r.names), '--pin-file', h.pin, '--yes')
        for n in range(2):
            assert card_share(h, r, n).returncode == 0
        # bert's card is not there: anna's has a share that is in force never
        e = h.i.cli('quorum', 'change', '2/2', '--card', f'{r.names[0]},no such reader', '--pin-file', h.pin, '--yes')
        assert 'nothing has changed' in e.stderr, e.stderr
        h.restart()
        for n in range(2):
            e = card_share(h, r, n)
            assert e.returncode == 0, e.stderr
        assert h.state() == 'operational'


def test_one_card_takes_one_share_of_a_set(i):
    with cards(2) as r:
        h = with_cards(i, r)
        e = h.i.cli('quorum', 'create', '2/2', '--card', f'{r.names[0]},{r.names[0]}', '--pin-file', h.pin, '--yes')
        assert 'holds another of these shares' in e.stderr and 'nothing has changed' in e.stderr, e.stderr


def test_a_card_that_cannot_hold_it_says_so(i):
    with cards(2, size=200) as r:
        h = with_cards(i, r)
        e = h.i.cli('quorum', 'create', '2/2', '--card', ','.join(r.names), '--pin-file', h.pin, '--yes')
        assert e.returncode != 0 and 'nothing has changed' in e.stderr, e.stderr
        h.refused('CARD_NONE', 'quorum', 'share', '--card', 'nowhere', '--pin-file', h.pin)


def test_without_a_card_service_it_says_so(i):
    h = Hsm(i)
    i.env['PCSCLITE_CSOCK_NAME'] = f'{h.dir}/nobody'
    h.refused('CARD_SERVICE', 'quorum', 'cards')
    h.refused('CARD_SERVICE', 'quorum', 'share', '--card', '', '--pin-file', h.passphrase)


# --- tokens --------------------------------------------------------------------------

def softhsm_token(i, label):
    if not os.path.exists(SOFTHSM) or not shutil.which('softhsm2-util'):
        raise e2e.Skip('SoftHSM is not there')
    os.makedirs(f'{i.home}/tokens', exist_ok=True)
    with open(f'{i.home}/softhsm.conf', 'w', encoding='utf-8') as f:
        f.write(f'directories.tokendir = {i.home}/tokens\nlog.level = ERROR\n')
    i.env['SOFTHSM2_CONF'] = f'{i.home}/softhsm.conf'
    r = i.run('softhsm2-util', '--init-token', '--free', '--label', label, '--so-pin', '12345678', '--pin', PASS)
    assert r.returncode == 0, r.stderr


def test_shares_on_softhsm_tokens_unlock(i):
    h = Hsm(i)
    for name in NAMES[:2]:
        softhsm_token(i, name)
    h.must('quorum', 'create', '2/3', '--yes', '--pin-file', h.passphrase, '--token-module', SOFTHSM, '--token', 'anna')
    told = i.run('pkcs11-tool', '--module', SOFTHSM, '--token-label', 'anna', '--list-objects')
    assert 'holdfast share' not in told.stdout, told.stdout  # private
    told = i.run('pkcs11-tool', '--module', SOFTHSM, '--token-label', 'anna', '--login', '--pin', PASS,
                 '--list-objects', '--type', 'data')
    assert told.stdout.count('holdfast share') >= 3, told.stdout + told.stderr
    h.restart()
    assert h.state() == 'locked'
    give = ['quorum', 'share', '--token-module', SOFTHSM, '--token', 'anna', '--pin-file', h.passphrase]
    for _ in range(2):  # three shares on one token: the next that was not given
        h.must(*give)
    assert h.state() == 'operational'
    wrong = h.secret('wrong', 'another-passphrase')
    h.refused('PIN_INCORRECT', *give[:-1], wrong)
    h.refused('SLOT', *give[:-3], 'nobody', *give[-2:])
    h.refused('CARD_EMPTY', *give[:-3], 'bert', *give[-2:])
    h.refused('TOKEN_MODULE', 'quorum', 'share', '--token-module', '/nowhere', '--token', 'x', '--pin-file', wrong)


def test_shares_on_another_holdfast_unlock(i):
    """a token of another HSM, which this one's program reaches as a remote module"""
    client = glob.glob('/usr/lib/*/pkcs11/p11-kit-client.so')
    if not client or not shutil.which('p11-kit'):
        raise e2e.Skip('p11-kit is not there')
    h = Hsm(i)
    other = e2e.Instance(f'{i.home}/other')
    os.makedirs(other.home)
    p = None
    try:
        r = other.cli('partition', 'create', 'shares', '--so-pin-file', h.passphrase, '--pin-file', h.passphrase)
        assert r.returncode == 0, r.stderr
        p = subprocess.Popen(['p11-kit', 'server', '-f', '-n', f'{other.home}/remote', '--provider', e2e.MODULE,
                              'pkcs11:token=shares'], env=other.env, stdout=subprocess.DEVNULL)
        e2e.wait_for(lambda: os.path.exists(f'{other.home}/remote'))
        i.env['P11_KIT_SERVER_ADDRESS'] = f'unix:path={other.home}/remote'
        where = ['--token-module', client[0], '--token', 'shares']
        h.create('2/2', *where)
        h.restart()
        for _ in range(2):
            h.must('quorum', 'share', *where, '--pin-file', h.passphrase)
        assert h.state() == 'operational'
    finally:
        if p is not None:
            p.terminate()
            p.wait(20)
        other.stop()


# --- several people ------------------------------------------------------------------

def test_each_gives_his_share_as_another_user(i):
    """custodians are no administrators, and each is somebody else"""
    if os.getuid() != 0:
        raise e2e.Skip('only root can be several users')
    h = Hsm(i)
    scratch, run = os.path.dirname(i.home), f'{i.home}-run'
    with open(f'{i.home}/holdfast.conf', 'w', encoding='utf-8') as f:
        f.write(f'socket-dir = {run}\n')
    daemon = subprocess.Popen([f'{e2e.BUILD}/holdfastd', '--home', i.home], env=i.env, stderr=subprocess.DEVNULL)
    e2e.wait_for(lambda: os.path.exists(f'{run}/vault.sock'))
    h.create('2/3')
    os.chmod(scratch, 0o755)

    def gives(n):
        mine = f'{scratch}/of-{n}'
        os.mkdir(mine)
        for path in (f'{i.home}/holdfast.conf', f'{h.dir}/share-{n}.json', h.passphrase):
            os.chown(shutil.copy(path, mine), 60000 + n, 60000 + n)
        os.chown(mine, 60000 + n, 60000 + n)
        return subprocess.run([f'{e2e.BUILD}/holdfast', 'quorum', 'share', f'{mine}/share-{n}.json', '--pin-file',
                               f'{mine}/pass'], env={**i.env, 'HOLDFAST_HOME': mine}, text=True, cwd='/',
                              capture_output=True, timeout=60, user=60000 + n, group=60000 + n, extra_groups=[])
    change = ['quorum', 'require', 'zeroize']
    h.refused('QUORUM', *change)
    for n in (1, 3):
        r = gives(n)
        assert r.returncode == 0, r.stderr
    h.must(*change)
    h.restart()
    daemon.wait(20)
    daemon = subprocess.Popen([f'{e2e.BUILD}/holdfastd', '--home', i.home], env=i.env, stderr=subprocess.DEVNULL)
    e2e.wait_for(lambda: i.cli('status').returncode == 0)
    shutil.rmtree(f'{scratch}/of-1')
    assert h.state() == 'locked'
    r = gives(1)
    assert r.returncode == 0 and 'unlock' in r.stdout, r.stderr
    h.share(2)
    assert h.state() == 'operational'


def test_status_says_who_is_missing(i):
    h = Hsm(i)
    h.create('2/3')
    h.refused('QUORUM', 'quorum', 'require', 'zeroize')
    number = h.status()['requests'][0]['request']
    told = h.share(2, '--request', str(number))
    assert told['custodian'] == 'bert' and told['for'] == 'consent: zeroize yes', told
    asked = h.status()['requests'][0]
    assert asked['gave'] == 'bert' and asked['missing'] == 'anna,carla' and asked['shares'] == '1 of 2', asked
    h.must('quorum', 'cancel', str(number))
    assert h.status()['requests'] == []
    h.refused('REQUEST', 'quorum', 'share', '--request', str(number), f'{h.dir}/share-1.json', '--pin-file', h.passphrase)


def agreed(h, *args, by=(1, 2)):
    h.refused('QUORUM', *args)
    for n in by:
        h.share(n)
    return h.must(*args)


def test_a_locked_hsm_says_who_opens_it(i):
    h = Hsm(i)
    h.create('2/3')
    h.restart()
    told = json.loads(h.must('status', '--json'))
    assert told['state'] == "locked: each custodian's 'holdfast quorum share'", told
    assert told['unlock'] == 'by 2 of 3 custodians', told
    e = h.refused('LOCKED', 'partition', 'list')
    assert "'holdfast quorum share'" in e and "'holdfast unlock'" not in e, e
    h.share(1)
    h.share(2)
    agreed(h, 'passphrase', '--pin-file', h.passphrase)
    h.restart()
    e = h.refused('LOCKED', 'partition', 'list') + h.must('status')
    # the refusal, the state and the method name it
    assert e.count("'holdfast unlock'") == 3 and 'quorum share' not in e, e


def test_shares_are_under_pbkdf2_in_approved_mode(i):
    h = Hsm(i)
    h.must('partition', 'create', 'box', '--so-pin-file', h.passphrase, '--pin-file', h.passphrase)
    h.must('policy', 'set', 'non-approved-mechanisms=no', '--so-pin-file', h.passphrase, '--yes')
    h.create('2/3')
    with open(f'{h.dir}/share-1.json', encoding='utf-8') as f:
        share = json.load(f)
    assert share['pbkdf2'] >= 600000 and share['holdfast share'] == 3, share
    h.restart()
    bare = {k: v for k, v in share.items() if k != 'check'}
    more, most = share['pbkdf2'] + 1, 2000000000
    for text, why in (({**share, 'pbkdf2': more}, 'SHARE_WRONG'), ({**share, 'pbkdf2': most}, 'SHARE_WRONG'),
                      ({**bare, 'pbkdf2': more}, 'PIN_INCORRECT'), ({**bare, 'pbkdf2': most}, 'MALFORMED')):
        with open(f'{h.dir}/share-9.json', 'w', encoding='utf-8') as f:
            json.dump(text, f)
        h.refused(why, 'quorum', 'share', f'{h.dir}/share-9.json', '--pin-file', h.passphrase)
    h.share(1)
    h.share(2)
    assert h.state() == 'operational'


def with_consent_to(i, *what):
    """with_consent_to: an HSM with a partition and a key, whose custodians agree to that."""
    h = Hsm(i)
    h.must('partition', 'create', 'box', '--so-pin-file', h.passphrase, '--pin-file', h.passphrase)
    h.must('key', 'generate', '--type', 'aes:256', '--label', 'k', '--pin-file', h.passphrase)
    for w in what:
        h.must('quorum', 'require', w)
    h.create('2/3')
    return h


def test_a_backup_takes_consent(i):
    h = with_consent_to(i, 'backup', 'backup-whole')
    with_pins = ['--pin-file', h.passphrase, '--passphrase-file', h.passphrase]
    for path, kind in ((f'{h.dir}/box.backup', []), (f'{h.dir}/whole.backup', ['--whole'])):
        make = ['backup', 'create', *kind, *with_pins[2 if kind else 0:], path]
        h.refused('QUORUM', *make)
        h.share(1)
        h.refused('QUORUM', *make)
        assert not os.path.exists(path)
        h.share(3)
        h.must(*make)
        os.rename(path, f'{path}.1')
        h.refused('QUORUM', *make)  # once
        assert not os.path.exists(path)
        for r in h.status()['requests']:
            h.must('quorum', 'cancel', str(r['request']))


def test_a_backup_to_a_token_takes_consent(i):
    h = with_consent_to(i, 'backup', 'backup-whole')
    softhsm_token(i, 'safe')
    r = i.run('pkcs11-tool', '--module', SOFTHSM, '--token-label', 'safe', '--login', '--pin', PASS, '--keygen',
              '--key-type', 'AES:32', '--label', 'aes', '--usage-decrypt')
    assert r.returncode == 0, r.stderr
    to = ['--token-module', SOFTHSM, '--token', 'safe', '--token-key', 'aes', '--token-pin-file', h.passphrase]
    for path, kind in ((f'{h.dir}/box.backup', ['--pin-file', h.passphrase]), (f'{h.dir}/whole.backup', ['--whole'])):
        make = ['backup', 'create', *kind, *to, path]
        h.refused('QUORUM', *make)
        asked = h.status()['requests'][0]
        assert asked['for'].endswith('sealed to a key in another token'), asked
        h.share(1)
        h.refused('QUORUM', 'backup', 'create', *kind, '--passphrase-file', h.passphrase, path)  # another request
        h.must('quorum', 'cancel', str(max(r['request'] for r in h.status()['requests'])))
        h.share(3)
        h.must(*make)
        h.must('backup', 'verify', *to[:2], *to[-2:], path)
        os.rename(path, f'{path}.1')
        h.refused('QUORUM', *make)  # once
        for r in h.status()['requests']:
            h.must('quorum', 'cancel', str(r['request']))


def test_a_restore_takes_consent(i):
    h = with_consent_to(i, 'restore')
    path, with_pins = f'{h.dir}/box.backup', ['--pin-file', h.passphrase, '--passphrase-file', h.passphrase]
    h.must('backup', 'create', *with_pins, path)
    h.must('object', 'delete', '--label', 'k', '--yes', '--pin-file', h.passphrase)

    def there():
        return '"k"' in h.must('object', 'list', '--json', '--pin-file', h.passphrase)
    restore = ['backup', 'restore', *with_pins, path]
    h.must(*restore[:-1], '--dry-run', path)
    h.refused('QUORUM', *restore)
    asked = h.status()['requests'][0]
    assert asked['for'].startswith('restore in partition'), asked
    h.share(2)
    h.refused('QUORUM', *restore)
    assert not there()
    h.share(3)
    h.must(*restore)
    assert there()
    h.refused('QUORUM', *restore)  # once


def test_a_restore_of_partitions_takes_consent(i):
    h = with_consent_to(i)
    path, with_passphrase = f'{h.dir}/whole.backup', ['--passphrase-file', h.passphrase]
    h.must('backup', 'create', '--whole', *with_passphrase, path)
    h.must('partition', 'delete', 'box', '--yes')
    h.must('backup', 'restore', '--dry-run', *with_passphrase, path)
    agreed(h, 'backup', 'restore', *with_passphrase, path)
    assert '"k"' in h.must('object', 'list', '--json', '--pin-file', h.passphrase)
    h.must('partition', 'delete', 'box', '--yes')
    h.refused('QUORUM', 'backup', 'restore', *with_passphrase, path)


def test_a_custodian_is_replaced(i):
    h = Hsm(i)
    h.create('2/3')
    os.makedirs(f'{h.dir}/new')
    agreed(h, 'quorum', 'replace', 'bert', '--by', 'xenia', '--out', f'{h.dir}/new', '--pin-file', h.passphrase, '--yes')
    assert h.status()['names'] == 'anna,xenia,carla'
    h.restart()
    h.refused('SHARE_OLD', 'quorum', 'share', f'{h.dir}/share-2.json', '--pin-file', h.passphrase)
    for n in (2, 3):
        h.must('quorum', 'share', f'{h.dir}/new/share-{n}.json', '--pin-file', h.passphrase)
    assert h.state() == 'operational'


def test_the_numbers_change_and_the_keys_stay(i):
    h = Hsm(i)
    h.must('partition', 'create', 'box', '--so-pin-file', h.passphrase, '--pin-file', h.passphrase)
    h.must('key', 'generate', '--type', 'aes:256', '--label', 'k', '--pin-file', h.passphrase)
    h.create('2/3')
    os.makedirs(f'{h.dir}/new')
    agreed(h, 'quorum', 'change', '3/4', '--out', f'{h.dir}/new', '--pin-file', h.passphrase, '--yes')
    h.restart()
    for n in (1, 2, 4):
        h.must('quorum', 'share', f'{h.dir}/new/share-{n}.json', '--pin-file', h.passphrase)
    assert '"k"' in h.must('object', 'list', '--json', '--pin-file', h.passphrase)


def test_a_kill_before_the_new_shares_are_in_force_leaves_the_old(i):
    h = Hsm(i)
    h.create('2/3')
    h.refused('QUORUM', 'quorum', 'change', '2/3', '--out', '/nowhere', '--pin-file', h.passphrase, '--yes')
    h.share(1)
    h.share(2)
    e = i.cli('quorum', 'change', '2/3', '--out', '/nowhere', '--pin-file', h.passphrase, '--yes')
    assert 'nothing has changed' in e.stderr, e.stderr
    i.kill('vault')
    e2e.wait_for(lambda: h.state() == 'locked')
    h.share(2)
    h.share(3)
    assert h.state() == 'operational'


def two_dirs(h):
    for name in 'ab':
        os.mkdir(f'{h.dir}/{name}')
    return f'{h.dir}/a', f'{h.dir}/b'


def deals(h, terms, names, out, *more):
    return Terminal(h, 'quorum', 'create', terms, '--names', names, '--out', out, '--yes', *more)


def test_a_second_ceremony_waits_for_the_first(i):
    h = Hsm(i)
    a, b = two_dirs(h)
    first = deals(h, '2/3', 'anna,bert,carla', a)
    first.keeps('anna')
    first.asked('of bert: ')
    told = h.refused('CEREMONY', 'quorum', 'create', '2/2', '--names', 'x,y', '--out', b, '--pin-file', h.passphrase,
                     '--yes')
    assert 'began to deal 2 of 3' in told and not os.listdir(b), told
    first.keeps('bert', 'carla')
    assert first.ends() == 0, first.said
    h.restart()
    assert h.state() == 'locked'
    for n in (1, 3):
        h.must('quorum', 'share', f'{a}/share-{n}.json', '--pin-file', h.passphrase)
    assert h.state() == 'operational'


def test_a_ceremony_that_was_given_up_changes_nothing(i):
    """what comes into force are the shares that were all kept, or none"""
    h = Hsm(i)
    a, b = two_dirs(h)
    first = deals(h, '2/3', 'anna,bert,carla', a)
    first.keeps('anna')
    second = deals(h, '2/2', 'x,y', b, '--again')
    second.keeps('x')
    second.asked('of y: ')
    second.killed()
    first.keeps('bert', 'carla')
    assert first.ends() != 0 and '(SET)' in first.said, first.said
    assert json.loads(h.must('unlock-method', 'list', '--json'))[0]['method'] == 'file'
    h.restart()
    assert h.state() == 'operational'
    h.create('2/3')
    h.restart()
    assert h.state() == 'locked'


def test_custodians_stand_beside_other_methods_once(i):
    h = Hsm(i)
    a, b = two_dirs(h)
    make = ['quorum', 'create', '2/2', '--beside', '--yes', '--pin-file', h.passphrase, '--out']
    h.must(*make, a)
    r = i.cli(*make, b)
    assert r.returncode == 2 and 'quorum change' in r.stderr and not os.listdir(b), r.stderr


def test_an_altered_share_file_is_told(i):
    h = Hsm(i)
    h.create('2/3')
    h.restart()
    path = f'{h.dir}/share-1.json'
    text = open(path, encoding='utf-8').read()
    sealed = re.search('"sealed": "(.)', text)
    bit, digit = (text[:sealed.start(1)] + x + text[sealed.end(1):] for x in ('0' if sealed[1] != '0' else '1', 'x'))
    for other in text.replace('"anna"', '"bert"'), text.replace('"number": 1', '"number": 2'), bit, digit:
        assert other != text, text
        with open(path, 'w', encoding='utf-8') as f:
            f.write(other)
        h.refused('SHARE_WRONG', 'quorum', 'share', path, '--pin-file', h.passphrase)
        with open(path, 'w', encoding='utf-8') as f:  # the check is no seal
            f.write(re.sub('"check": "[0-9a-f]*",?', '', other).replace(',\n}', '\n}').replace(',\n  \n}', '\n}'))
        h.refused('SHARE_WRONG' if other == digit else 'PIN_INCORRECT', 'quorum', 'share', path, '--pin-file',
                  h.passphrase)
    assert h.state() == 'locked'
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    h.refused('PIN_INCORRECT', 'quorum', 'share', path, '--pin-file', h.secret('wrong', 'another passphrase'))
    h.share(1)


def test_names_that_cannot_be_are_told(i):
    h = Hsm(i)
    for names, why in ('anna,bert', '2 names'), ('anna,bert,anna', "'anna' twice"), ('anna,,bert', 'not \'\''):
        r = i.cli('quorum', 'create', '2/3', '--names', names, '--out', h.dir, '--pin-file', h.passphrase, '--yes')
        assert r.returncode == 2 and why in r.stderr, r.stderr
    r = i.cli('key', 'guard', '--approvers', '4:anna,bert,carla', '--key', 'k')
    assert 'names 3, of whom 4 cannot' in r.stderr, r.stderr


def test_the_guide_lists_what_takes_consent(i):
    """docs/custodians.md has each with what it says of when"""
    h = Hsm(i)
    guide = f'{os.path.dirname(os.path.abspath(__file__))}/../../docs/custodians.md'
    rows = re.findall(r'^\| ([a-z-]+) \| .* \| (always|if required) \|$', open(guide, encoding='utf-8').read(), re.M)
    want = [(r['consent to'], 'always' if r['needed'] == 'always' else 'if required') for r in h.status()['consent']]
    assert sorted(rows) == sorted(want), set(rows) ^ set(want)


def test_a_share_of_another_hsm_is_told(i):
    h = Hsm(i)
    h.create('2/3')
    other = e2e.Instance(f'{i.home}/other')
    try:
        g = Hsm(other)
        g.create('2/3')
    finally:
        other.stop()
    h.restart()
    h.refused('SHARE_FOREIGN', 'quorum', 'share', f'{other.home}/share-1.json', '--pin-file', h.passphrase)


# --- roles ---------------------------------------------------------------------------

def test_an_officer_of_three_people(i):
    h = Hsm(i)
    none = h.secret('none', '')
    h.must('partition', 'create', 'box', '--so-pin-file', h.passphrase, '--pin-file', h.passphrase)
    h.must('quorum', 'create', '2/3', '--partition', 'box', '--user', 'so', '--so-pin-file', h.passphrase,
           '--out', h.dir, '--pin-file', h.passphrase, '--yes', '--names', 'anna,bert,carla')
    make = ['user', 'set', 'signer', '--partition', 'box', '--so-pin-file', none, '--pin-file', h.passphrase]
    told = h.refused('QUORUM', *make)
    number = re.search(r'request (\d+) waits for 2 of 3', told).group(1)
    asked = h.status()['requests'][0]
    assert asked['for'].startswith('login as so in partition'), asked
    for n in (1, 3):
        h.share(n, '--request', number)
    h.must(*make)
    h.refused('QUORUM', *make)  # once
    h.refused('PIN_INCORRECT', *make[:5], '--so-pin-file', h.passphrase, '--pin-file', h.passphrase)  # the old PIN
    for what in ['rotate', 'partition', 'box', '--so-pin-file', none, '--yes'], make:  # then who open the new key
        told = h.refused('QUORUM', *what)
        number = re.search(r'request (\d+) waits for 2 of 3', told).group(1)
        for n in (1, 2):
            h.share(n, '--request', number)
        h.must(*what)
    h.must('object', 'list', '--partition', 'box', '--pin-file', h.passphrase)


def test_the_hsm_s_officer_of_three_people(i):
    h = Hsm(i)
    none = h.secret('none', '')
    h.must('hsm', 'init', '--pin-file', h.passphrase)
    h.must('quorum', 'create', '2/3', '--role', 'so', '--as', 'so', '--as-pin-file', h.passphrase, '--out', h.dir,
           '--pin-file', h.passphrase, '--yes')
    make = ['partition', 'create', 'box', '--as', 'so', '--as-pin-file', none, '--so-pin-file', h.passphrase]
    h.refused('QUORUM', *make)
    h.share(1)
    h.share(2)
    h.must(*make)


def test_an_application_logs_in_without_a_pin(i):
    """C_Login with no PIN, where the token says CKF_PROTECTED_AUTHENTICATION_PATH"""
    h = Hsm(i)
    h.must('partition', 'create', 'box', '--so-pin-file', h.passphrase, '--pin-file', h.passphrase)
    h.must('quorum', 'create', '2/2', '--partition', 'box', '--user', 'user', '--so-pin-file', h.passphrase,
           '--out', h.dir, '--pin-file', h.passphrase, '--yes')
    told = i.run('pkcs11-tool', '--module', e2e.MODULE, '--list-token-slots').stdout
    assert 'PIN pad present' in told, told
    os.environ.update(i.env)
    lib, n, session = ctypes.CDLL(e2e.MODULE), ctypes.c_ulong(8), ctypes.c_ulong()
    slots = (ctypes.c_ulong * 8)()
    assert lib.C_Initialize(None) == 0 and lib.C_GetSlotList(1, slots, ctypes.byref(n)) == 0
    assert lib.C_OpenSession(ctypes.c_ulong(slots[0]), ctypes.c_ulong(6), None, None, ctypes.byref(session)) == 0

    def login():
        return lib.C_Login(session, ctypes.c_ulong(1), None, ctypes.c_ulong(0))
    assert login() == CKR_ACTION_PROHIBITED
    h.share(1)
    assert login() == CKR_ACTION_PROHIBITED
    h.share(2)
    assert login() == 0
    assert lib.C_Finalize(None) == 0


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
