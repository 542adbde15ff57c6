#!/usr/bin/env python3
"""tpm.py BUILD TEST: a root key that a TPM 2.0 gives back, with the simulator swtpm."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import e2e
from e2e import Skip, wait_for
from processes import Daemon

WORDS, PIN = 'correct horse battery', '4711-4711'


class Tpm:
    """Tpm is one chip; switched off and on again it keeps its state and loses its PCRs."""

    def __init__(self, where):
        if shutil.which('swtpm') is None or shutil.which('tpm2_pcrextend') is None:
            raise Skip('no swtpm, or no tpm2-tools')
        self.where, self.path, self.p = where, f'{where}/sock', None
        os.makedirs(where)
        self.on()

    def on(self):
        self.p = subprocess.Popen(
            ['swtpm', 'socket', '--tpm2', '--tpmstate', f'dir={self.where}',
             '--server', f'type=unixio,path={self.path}',
             '--ctrl', f'type=unixio,path={self.path}.ctrl',
             '--flags', 'not-need-init,startup-clear'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(self.path))

    def off(self, sig=signal.SIGTERM):
        if self.p is not None:
            self.p.send_signal(sig)
            self.p.wait()
        self.p = None
        for path in (self.path, f'{self.path}.ctrl'):
            if os.path.exists(path):
                os.unlink(path)

    def tool(self, *args):
        r = subprocess.run(args, env={**os.environ, 'TPM2TOOLS_TCTI': f'swtpm:path={self.path}'},
                           capture_output=True, text=True, check=False)
        assert r.returncode == 0, r.stderr

    def extend(self, pcr):
        """extend is what another firmware or boot loader does."""
        self.tool('tpm2_pcrextend', f'{pcr}:sha256={"11" * 32}')


class Hsm:
    def __init__(self, i, *settings):
        self.i, self.d = i, None
        self.dir = os.path.dirname(i.home)
        self.settings = settings
        self.tpms = []
        self.words, self.pin = f'{self.dir}/words', f'{self.dir}/pin'
        for path, text in ((self.words, WORDS), (self.pin, PIN)):
            with open(path, 'w') as f:
                f.write(text)
        self.tpm = self.another()

    def another(self):
        self.tpms.append(Tpm(f'{self.dir}/tpm{len(self.tpms)}'))
        return self.tpms[-1]

    def start(self, **kw):
        args = [f'--set={s}' for s in (f'tpm={self.tpm.path}', 'unlock=tpm', *self.settings)]
        self.d = Daemon(self.i, *args, **kw).up()

    def stop(self):
        if self.d is not None:
            self.d.end()
        self.d = None

    def close(self):
        self.stop()
        for t in self.tpms:
            t.off()

    def must(self, *args):
        r = self.i.cli(*args)
        assert r.returncode == 0, f'{args}: {r.stderr}'
        return r.stdout

    def refused(self, words, *args):
        r = self.i.cli(*args)
        assert r.returncode != 0 and words in r.stderr, f'{args}: {r.stderr}'

    def status(self):
        return json.loads(self.must('status', '--json'))

    def state(self):
        return self.status()['state'].split(':')[0]

    def methods(self):
        return {m['method']: m['id'] for m in json.loads(self.must('unlock-method', 'list', '--json'))}

    def add_words(self):
        self.must('unlock-method', 'add', 'passphrase', '--pin-file', self.words)

    def by_words(self):
        self.must('unlock', '--pin-file', self.words)
        assert self.state() == 'operational'

    def copy(self):
        """copy is the whole data directory of this moment; back puts it in the place of today's."""
        shutil.rmtree(f'{self.dir}/copy', ignore_errors=True)
        shutil.copytree(f'{self.i.home}/data', f'{self.dir}/copy')

    def back(self):
        shutil.rmtree(f'{self.i.home}/data')
        shutil.copytree(f'{self.dir}/copy', f'{self.i.home}/data')

    def die(self):
        """die is the end without a last word."""
        for role in ('monitor', 'vault', 'keeper'):
            self.i.kill(role)
        self.d.p.wait()
        self.d = None

    def counter(self):
        return int(self.status()['TPM counter'].split()[1])

    def put_back_is_told(self, words):
        self.start()
        s = self.status()
        assert s['state'].startswith('tampered') and words in s['tampered'], s
        assert words in self.must('audit', 'query', '--call', 'store-changed', '--json')
        self.must('tamper', 'clear')
        self.stop()
        self.start()
        assert self.state() == 'operational'
        assert self.status()['store'] == 'as it was left'

    def reseal(self, *args):
        self.must('unlock-method', 'reseal', str(self.methods()['tpm']), *args)


def test_unattended_until_a_pcr_differs(h):
    h.start()
    assert h.status()['unlock'] == 'by the TPM, PCRs 0,2,4,7'
    h.add_words()
    h.stop()
    h.start()
    assert h.state() == 'operational'
    h.stop()
    h.tpm.extend(9)  # not one of those it is sealed to
    h.start()
    assert h.state() == 'operational'
    h.stop()
    h.tpm.extend(4)
    h.start()
    assert h.state() == 'locked'
    assert 'PCR 4 changed' in h.status()['unlock method 0'], h.status()
    assert 'PCR 4 changed' in h.d.text()
    h.refused('not as the TPM sealed for', 'unlock', '--method', 'tpm')
    h.by_words()
    h.reseal()
    h.stop()
    h.start()
    assert h.state() == 'operational'


def test_another_machine_does_not_open(h):
    h.start()
    h.add_words()
    h.stop()
    h.tpm = h.another()
    h.start()
    assert h.state() == 'locked'
    h.refused('another TPM sealed this', 'unlock', '--method', 'tpm')
    h.by_words()
    h.must('unlock-method', 'add', 'tpm', '--pcrs', '0,1')  # the new machine's, beside the old one's
    h.stop()
    h.start()
    assert h.state() == 'operational'
    h.stop()
    h.tpm = h.tpms[0]
    h.start()
    assert h.state() == 'operational'


def test_a_tpm_that_was_cleared_does_not_open(h):
    h.start()
    h.add_words()
    h.stop()
    h.tpm.tool('tpm2_clear', '-c', 'p')
    h.start()
    assert h.state() == 'locked'
    h.refused('this one was cleared', 'unlock', '--method', 'tpm')
    h.by_words()
    h.reseal()
    h.stop()
    h.start()
    assert h.state() == 'operational'


def test_a_tpm_that_is_away_leaves_the_other_methods(h):
    h.start()
    h.add_words()
    h.stop()
    h.tpm.off()
    h.start()
    assert h.state() == 'locked'
    assert 'cannot be opened' in h.d.text()
    h.refused('no TPM is open', 'unlock', '--method', 'tpm')
    h.by_words()
    h.refused('no TPM is open', 'unlock-method', 'reseal', '0')
    h.stop()
    h.tpm.on()
    h.start()
    assert h.state() == 'operational'


def test_a_new_hsm_without_its_tpm_waits(h):
    h.tpm.off()
    h.start()
    assert h.state() == 'uninitialized', h.state()
    h.stop()
    h.tpm.on()
    h.start()
    assert h.state() == 'operational'


def test_a_tpm_killed_in_the_middle_is_an_error_and_no_more(h):
    h.start()
    h.add_words()
    h.tpm.p.send_signal(signal.SIGSTOP)
    p = subprocess.Popen([f'{e2e.BUILD}/holdfast', 'unlock-method', 'add', 'tpm'], env=h.i.env,
                         stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    h.tpm.off(signal.SIGKILL)
    assert p.wait(30) != 0
    assert h.state() == 'operational' and list(h.methods()) == ['tpm', 'passphrase']
    h.refused('the TPM does not answer', 'unlock-method', 'reseal', '0')
    h.i.kill('vault')
    h.d.up()
    assert h.state() == 'locked'
    h.by_words()


def test_a_pin_besides(h):
    h.start()
    h.add_words()
    h.must('unlock-method', 'add', 'tpm', '--pin-file', h.pin)
    h.must('unlock-method', 'remove', '0', '--yes')
    assert 'with a PIN' in h.status()['unlock']
    h.stop()
    h.start()
    assert h.state() == 'locked'
    h.refused('the PIN is wrong', 'unlock', '--method', 'tpm', '--pin-file', h.words)
    assert h.state() == 'locked'
    h.must('unlock', '--method', 'tpm', '--pin-file', h.pin)
    assert h.state() == 'operational'
    h.refused('too short', 'unlock-method', 'reseal', str(h.methods()['tpm']))
    h.reseal('--pin-file', h.pin)


def test_each_method_says_why_it_does_not_open(h):
    h.start()
    h.add_words()
    h.must('unlock-method', 'add', 'tpm', '--pcrs', '7', '--pin-file', h.pin)
    h.must('unlock-method', 'add', 'tpm', '--pcrs', '4', '--pin-file', h.pin)
    h.stop()
    h.tpm.extend(4)
    h.start()
    s = h.status()
    assert h.state() == 'locked'
    assert 'PCR 4 changed' in s['unlock method 0'] and 'PCR 4 changed' in s['unlock method 3'], s
    assert 'it wants its PIN' in s['unlock method 2'] and 'by passphrase' in s['unlock method 1'], s
    h.refused('not as the TPM sealed for', 'unlock', '--method', 'tpm')
    h.refused('the PIN is wrong', 'unlock', '--pin-file', h.pin)
    assert 'did not open it' in h.status()['unlock method 1']
    h.refused('unlock method 3, tpm', 'unlock', '--method', '3')
    h.refused('no such unlock method', 'unlock', '--method', '4', '--pin-file', h.pin)
    h.refused('unlock method 1, passphrase: the PIN is wrong', 'unlock', '--method', '1', '--pin-file', h.pin)
    h.refused('unlock method 2, tpm: the PIN is wrong', 'unlock', '--method', '2', '--pin-file', h.words)
    h.must('unlock', '--method', '2', '--pin-file', h.pin)
    s = h.status()
    assert h.state() == 'operational' and 'opened the HSM' in s['unlock method 2'], s
    h.must('unlock-method', 'remove', '3', '--yes')
    assert h.status()['unlock method 3'] == 'removed'


def test_an_attended_start_waits_though_the_tpm_could(h):
    h.settings = ('attended-start=yes',)
    h.start()
    h.stop()
    h.start()
    assert h.state() == 'locked'
    h.must('unlock', '--method', 'tpm')
    assert h.state() == 'operational'


def test_a_listener_sees_no_secret(h):
    """The socket's whole traffic, taken down by a process between, holds neither what was
    sealed nor the PIN; and one bit changed on the way is told."""
    h.start()
    h.add_words()
    h.stop()
    spy = f'{h.dir}/spy'
    code = f'''
import socket, os, sys
s = socket.socket(socket.AF_UNIX); s.bind({spy!r}); s.listen(1)
print("ready", flush=True)
out = open({spy!r} + ".log", "wb", buffering=0)
import threading
while True:
    a, _ = s.accept()
    b = socket.socket(socket.AF_UNIX); b.connect({h.tpm.path!r})
    def pump(x, y, flip):
        while True:
            d = x.recv(65536)
            if not d:
                break
            out.write(d)
            if flip and os.path.exists({spy!r} + ".flip") and len(d) > 200:
                d = bytearray(d); d[40] ^= 1; d = bytes(d)
            y.sendall(d)
        y.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=pump, args=(a, b, False)); t.start()
    pump(b, a, True); t.join(); b.close(); a.close()
'''
    p = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline() == 'ready\n'
        real, h.tpm.path = h.tpm.path, spy
        h.start()
        assert h.state() == 'operational'
        h.must('unlock-method', 'add', 'tpm', '--pin-file', h.pin)
        seen = open(f'{spy}.log', 'rb').read()
        assert len(seen) > 2000 and PIN.encode() not in seen
        open(f'{spy}.flip', 'w').close()
        h.refused('the TPM does not answer', 'unlock-method', 'reseal', '0')
        h.stop()
        h.tpm.path = real
    finally:
        p.kill()
        p.wait()


WHOLE = 'the whole data directory of an earlier time was put back'


def test_a_whole_directory_put_back_after_a_stop_is_told(h):
    h.settings = ('tamper-action=lock',)
    h.start()
    h.i.must('init', 'e2e')
    h.copy()
    assert h.i.must('wrong-pin', '1') == '0xa0'
    h.stop()
    h.back()
    h.put_back_is_told(WHOLE)


def test_a_whole_directory_gives_no_try_of_a_pin_back(h):
    h.settings = ('tamper-action=lock',)
    h.start()
    h.i.must('init', 'e2e')
    h.copy()
    assert h.i.must('wrong-pin', '3') == '0xa0'
    h.die()
    h.back()
    h.put_back_is_told(WHOLE)
    assert h.i.must('wrong-pin', '1') in ('0xa0', '0xa4')
    assert h.i.must('right-pin') == '0xa4', 'one try was left'


def test_a_whole_directory_of_before_there_was_a_counter_is_told(h):
    h.settings = ('tamper-action=lock', f'passphrase-file={h.words}')
    h.start()
    h.must('passphrase', '--pin-file', h.words)
    assert h.status()['TPM counter'].startswith('none')
    h.stop()
    h.start()
    h.copy()
    h.must('unlock-method', 'add', 'tpm')
    assert h.counter() > 0
    h.stop()
    h.back()
    h.put_back_is_told('an older data directory was put back')


def test_a_counter_that_was_removed_is_told(h):
    h.settings = ('tamper-action=lock',)
    h.start()
    index = h.status()['TPM counter'].split('index ')[1].rstrip(')')
    h.stop()
    h.tpm.tool('tpm2_nvundefine', index)
    h.put_back_is_told('was removed')
    h.stop()
    h.tpm.tool('tpm2_nvundefine', index)
    h.tpm.tool('tpm2_nvdefine', index, '-s', '8', '-a', 'authread|authwrite|no_da|nt=counter', '-p', 'mine')
    h.tpm.tool('tpm2_nvincrement', index, '-P', 'mine', '-C', index)
    h.put_back_is_told('was removed')


def test_the_counter_spares_the_tpm(h):
    h.start()
    h.i.must('init', 'e2e')
    before = h.counter()
    h.i.must('sign', '1', '2')
    assert h.counter() == before
    assert h.i.must('wrong-pin', '1') == '0xa0'
    assert h.counter() == before + 1
    assert h.i.must('right-pin') == '0x0'
    assert h.counter() == before + 1
    for _ in range(30):
        h.must('unlock-method', 'list')
        h.must('tamper', 'report', 'a trial')
    assert before + 2 < h.counter() < before + 25, (before, h.counter())


def test_without_its_tpm_the_counter_is_not_in_force(h):
    h.start()
    h.add_words()
    h.stop()
    h.tpm.off()
    h.start()
    h.by_words()
    assert h.status()['TPM counter'].startswith('not in force'), h.status()
    assert 'no TPM is open' in h.must('audit', 'query', '--call', 'tpm-counter', '--json')
    h.stop()
    h.tpm.on()
    h.start()
    assert h.status()['store'] == 'as it was left' and h.counter() > 0


def test_the_last_tpm_method_takes_its_counter_with_it(h):
    h.start()
    h.add_words()
    h.must('unlock-method', 'remove', str(h.methods()['tpm']), '--yes')
    assert h.status()['TPM counter'].startswith('none')
    h.stop()
    h.start()
    h.by_words()
    assert h.status()['store'] == 'as it was left'


def main(module):
    """main runs a test of an Hsm, whose TPMs and daemon it ends after it."""
    def on_hsm(test):
        def run(i):
            h = Hsm(i)
            try:
                test(h)
            except AssertionError:
                sys.stderr.write(h.d.text() if h.d else '')
                raise
            finally:
                h.close()
        return run
    return e2e.main({n: on_hsm(f) if n.startswith('test_') else f for n, f in module.items()})


if __name__ == '__main__':
    sys.exit(main(globals()))
