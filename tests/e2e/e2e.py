#!/usr/bin/env python3
"""e2e.py BUILD TEST: one promise, kept by real processes. Each test has an instance
of its own in a scratch directory, and ends the processes it started."""
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.path.abspath(sys.argv[1])
MODULE = f'{BUILD}/libholdfast-pkcs11.so'
DRIVER = f'{BUILD}/tests/e2e/driver'
SECRET = b'holdfast-e2e-known-secret-value!'
PATIENCE = int(os.environ.get('HOLDFAST_PATIENCE', '300'))  # seconds; more for the long forms


class Skip(Exception):
    """The test cannot run here; says why."""


class Instance:
    """Instance is a HOLDFAST_HOME."""

    def __init__(self, home, **env):
        self.home = home
        self.env = {**os.environ, 'HOLDFAST_HOME': home, **env}

    def run(self, *args, **kw):
        return subprocess.run(args, env=self.env, text=True, capture_output=True, timeout=PATIENCE, **kw)

    def driver(self, *args, **kw):
        return self.run(DRIVER, MODULE, *args, **kw)

    def cli(self, *args):
        return self.run(f'{BUILD}/holdfast', *args)

    def must(self, *args, **kw):
        r = self.driver(*args, **kw)
        assert r.returncode == 0, f'{args}: {r.stdout}{r.stderr}'
        return r.stdout.strip()

    def popen(self, *args, **kw):
        return subprocess.Popen([DRIVER, MODULE, *args], env=self.env, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, **kw)

    def log(self):
        try:
            return open(f'{self.home}/daemon.log', encoding='utf-8').read()
        except OSError:
            return ''

    def monitors(self):
        """monitors: process ids of daemons of this home."""
        found = []
        for path in glob.glob('/proc/[0-9]*/cmdline'):
            try:
                words = open(path, 'rb').read().split(b'\0')
            except OSError:
                continue
            if words[0].endswith(b'holdfastd') and self.home.encode() in words:
                found.append(int(path.split('/')[2]))
        return found

    def roles(self):
        """roles: {'vault': pid, 'keeper': pid} of the running daemon."""
        found = {}
        for monitor in self.monitors():
            try:
                children = open(f'/proc/{monitor}/task/{monitor}/children').read().split()
            except OSError:
                continue
            for pid in children:
                try:
                    line = open(f'/proc/{pid}/cmdline', 'rb').read()
                except OSError:
                    continue
                for role in ('vault', 'keeper'):
                    if b'--role=' + role.encode() in line:
                        found[role] = int(pid)
        return found

    def kill(self, role, sig=signal.SIGKILL):
        pids = self.monitors() if role == 'monitor' else [self.roles().get(role)]
        for pid in filter(None, pids):
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass

    def stop(self):
        self.cli('stop')
        self.kill('monitor')  # one that a test has left unable to end


def wait_for(what, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        if what():
            return
        time.sleep(0.02)
    raise AssertionError('did not happen in time: ' + (what.__doc__ or what.__name__))


# --- tests -------------------------------------------------------------------

def killer(i, roles, every, stop):
    while not stop.wait(every * random.uniform(0.5, 1.5)):
        i.kill(random.choice(roles))


def work_while_killing(i, roles, every, *work):
    i.must('init', 'e2e')
    stop = threading.Event()
    t = threading.Thread(target=killer, args=(i, roles, every, stop))
    t.start()
    try:
        print(i.must(*work))
    finally:
        stop.set()
        t.join()


def test_signing_goes_on_while_the_vault_is_killed(i):
    work_while_killing(i, ['vault'], 1, 'sign', os.environ.get('HOLDFAST_KILL_SECONDS', '8'), '2')


def test_signing_goes_on_while_any_process_is_killed(i):
    work_while_killing(i, ['vault', 'keeper', 'monitor'], 1.5, 'sign', '8', '2')


def test_large_data_are_encrypted_right_while_the_vault_is_killed(i):
    work_while_killing(i, ['vault'], 0.5, 'encrypt', '6')


def acknowledged_keys_survive(i, *make):
    i.must('init', 'e2e')
    acknowledged = []
    for turn in range(6):
        p = i.popen(make[0], f'turn{turn}', *make[1:], stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.3, 0.8))
        for role in ('monitor', 'vault', 'keeper'):
            i.kill(role)
        p.kill()
        acknowledged += p.communicate()[0].split()
    assert acknowledged
    print(i.must('check', input='\n'.join(acknowledged)))
    facts = json.loads(i.cli('status', '--json').stdout)
    assert facts['damaged records'] == '0' and facts['store'] == 'as it was left', facts


def test_acknowledged_keys_survive_the_death_of_everything(i):
    acknowledged_keys_survive(i, 'make')


def test_acknowledged_keys_of_many_threads_survive_the_death_of_everything(i):
    acknowledged_keys_survive(i, 'pairs', '40', '0')


def test_more_threads_than_the_vault_s_end_though_they_share_a_session(i):
    """Calls that are put aside keep their session: threads of the vault's that wait for it must not be all."""
    i.must('init', 'e2e')
    made = i.must('pairs', 'many', '300', '4').split()
    assert len(made) == 1200
    i.must('check', input='\n'.join(made))


def test_fifty_programs_start_one_daemon(i):
    ps = [i.popen('info') for _ in range(50)]
    assert all(p.wait(60) == 0 for p in ps)
    assert len(i.monitors()) == 1, i.monitors()


def test_ten_thousand_sessions(i):
    i.must('init', 'e2e')
    print(i.must('sessions', '10000'))


def test_a_lost_multi_part_operation_ends_with_one_error(i):
    i.must('init', 'e2e')
    p = i.popen('multipart')
    assert p.stdout.readline() == 'begun\n'
    i.kill('vault')
    out, _ = p.communicate('\n', timeout=60)
    assert p.returncode == 0, out


def test_a_forked_child_starts_anew_and_the_parent_goes_on(i):
    i.must('init', 'e2e')
    print(i.must('fork'))


def test_descriptors_that_the_application_closed_are_not_written_to(i):
    i.must('init', 'e2e')
    i.must('closed', f'{os.path.dirname(i.home)}/file')
    assert os.path.getsize(f'{os.path.dirname(i.home)}/file') == 0


def test_a_program_without_a_descriptor_left_keeps_its_sessions(i):
    i.must('init', 'e2e')
    i.must('full')


def test_the_lock_out_survives_restart_and_an_older_database(i):
    i.must('init', 'e2e')
    i.stop()
    shutil.copytree(f'{i.home}/data', f'{i.home}/copy')
    assert i.must('wrong-pin', '4') == '0xa0'
    i.kill('vault')
    assert i.must('wrong-pin', '5') == '0xa0'
    i.stop()
    for path in glob.glob(f'{i.home}/data/store.db*'):
        os.unlink(path)
    for path in glob.glob(f'{i.home}/copy/store.db*'):
        shutil.copy(path, f'{i.home}/data/')
    i.must('wrong-pin', '1')
    assert i.must('right-pin') == '0xa4', 'the PIN must be locked'
    assert json.loads(i.cli('status', '--json').stdout)['store'] != 'as it was left'


def test_an_older_store_with_its_anchor_gives_no_try_back(i):
    i.must('init', 'e2e')
    i.stop()
    shutil.copytree(f'{i.home}/data', f'{i.home}/copy')
    assert i.must('wrong-pin', '4') == '0xa0'
    for role in ('monitor', 'vault', 'keeper'):
        i.kill(role)
    i.stop()
    for path in glob.glob(f'{i.home}/data/store.db*') + glob.glob(f'{i.home}/data/anchor*'):
        os.unlink(path)
    for path in glob.glob(f'{i.home}/copy/store.db*') + glob.glob(f'{i.home}/copy/anchor*'):
        shutil.copy(path, f'{i.home}/data/')
    i.must('wrong-pin', '1')
    assert i.must('right-pin') == '0xa4', 'one try is left'
    assert 'audit log knows of' in json.loads(i.cli('status', '--json').stdout)['store']
    events = i.cli('audit', 'query', '--call', 'store-changed', '--json').stdout
    assert 'older ones were put back' in events


def test_a_crash_is_no_roll_back(i):
    i.must('init', 'e2e')
    for role in ('vault', 'keeper', 'monitor', 'vault'):
        assert i.must('wrong-pin', '1') == '0xa0'
        assert i.must('right-pin') == '0x0'
        vault = i.roles()['vault']
        i.kill(role)
        wait_for(lambda: i.roles().get('vault') != vault)  # it may still answer, without its keeper
    i.stop()
    assert json.loads(i.cli('status', '--json').stdout)['store'] == 'as it was left'


def test_no_key_bytes_in_the_application(i):
    if os.geteuid() != 0:
        raise Skip('needs root to read another process')
    i.must('init', 'e2e')
    i.must('store-secret')
    p = i.popen('use-secret')
    pid = int(p.stdout.readline())
    time.sleep(0.3)
    text = memory_of(pid, skip=DRIVER)
    p.communicate('\n', timeout=60)
    assert p.returncode == 0
    assert len(text) > 100000 and SECRET not in text, 'the key is in the application'
    assert b'87654321' not in text, 'the PIN is in the application'


def memory_of(pid, skip):
    """memory_of: what the process can write to, without the program's own constants."""
    text = b''
    with open(f'/proc/{pid}/mem', 'rb') as mem:
        for line in open(f'/proc/{pid}/maps'):
            where, flags = line.split()[:2]
            start, end = (int(x, 16) for x in where.split('-'))
            if 'w' not in flags or skip in line:
                continue
            try:
                mem.seek(start)
                text += mem.read(end - start)
            except (OSError, ValueError):
                continue
    return text


def test_the_vault_is_closed_to_an_ordinary_user(i):
    if os.geteuid() != 0 or not shutil.which('setpriv'):
        raise Skip('needs root and setpriv')
    os.chmod(os.path.dirname(i.home), 0o755)
    os.makedirs(i.home)
    os.chown(i.home, 65534, 65534)
    nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    r = i.run(*nobody, DRIVER, MODULE, 'info')
    if r.returncode != 0 and 'annot open' in r.stderr:
        raise Skip('the build directory is closed to other users')
    assert r.returncode == 0, r.stdout + r.stderr + i.log()
    vault = i.roles()['vault']
    for what in ('mem', 'maps', 'environ'):
        r = i.run(*nobody, 'cat', f'/proc/{vault}/{what}')
        assert r.returncode != 0 and 'ermission' in r.stderr, (what, r.stdout[:100], r.stderr)
    if shutil.which('gdb'):
        r = i.run(*nobody, 'gdb', '-batch', '-p', str(vault))
        assert 'not permitted' in r.stdout + r.stderr, r.stderr


def test_the_vault_opens_nothing_while_it_serves(i):
    if os.geteuid() != 0 or not shutil.which('strace'):
        raise Skip('needs root and strace')
    i.must('init', 'e2e')
    trace = f'{i.home}/trace'
    p = subprocess.Popen(['strace', '-f', '-qq', '-o', trace, '-p', str(i.roles()['vault'])])
    time.sleep(0.5)
    i.must('sign', '1', '2')
    p.send_signal(signal.SIGINT)
    p.wait(10)
    calls = {line.split()[1].split('(')[0] for line in open(trace) if '(' in line}
    assert calls, 'strace saw nothing'
    assert not {c for c in calls if c.startswith(('open', 'socket', 'connect', 'exec'))}, calls
    print(' '.join(sorted(c for c in calls if c.isidentifier())))


def test_a_failed_self_test_is_an_error_state(i):
    i.env['HOLDFAST_TEST_FAIL_SELFTEST'] = 'aes-gcm'
    r = i.cli('status')
    assert r.returncode == 1 and 'error' in r.stdout, r.stdout + r.stderr
    told = i.cli('metrics').stdout
    assert 'holdfast_selftest_passed 0' in told and 'holdfast_selftest_result{test="aes-gcm"} 0' in told, told
    assert told.count('holdfast_selftest_result{') > 20 and told.count('"} 0\n') >= 1, told
    r = i.driver('init', 'e2e')
    assert r.returncode == 1 and '0x30' in r.stderr, r.stderr
    r = i.cli('partition', 'list')
    assert 'self-test' in r.stderr, r.stderr


def test_a_changed_executable_is_an_error_state(i):
    bad = f'{os.path.dirname(i.home)}/holdfastd'
    data = bytearray(open(f'{BUILD}/holdfastd', 'rb').read())
    at = data.find(b'refusing to start without seccomp')
    data[at] ^= 1
    open(bad, 'wb').write(data)
    os.chmod(bad, 0o755)
    i.env['HOLDFASTD'] = bad
    r = i.cli('status')
    assert r.returncode == 1 and 'checksum' in r.stdout, r.stdout + r.stderr + i.log()


def test_a_full_disk_loses_nothing(i):
    if os.geteuid() != 0:
        raise Skip('needs root to mount a small disk')
    os.makedirs(i.home)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=12m', 'none', i.home],
                      stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip('tmpfs cannot be mounted here')
    try:
        i.must('init', 'e2e')
        i.must('fill')
        assert json.loads(i.cli('status', '--json').stdout)['damaged records'] == '0'
        i.stop()
        subprocess.run(['mount', '-o', 'remount,size=64m', i.home], check=True)
        i.must('sign', '0.2', '1')
        i.stop()
    finally:
        i.kill('monitor')
        time.sleep(0.3)
        subprocess.run(['umount', '-l', i.home], check=True)


def test_a_long_home_works(i):
    i.home = i.env['HOLDFAST_HOME'] = i.home + '/' + 'd' * 100 + '/' + 'e' * 100
    i.must('info')


def test_a_second_daemon_says_so(i):
    i.must('info')
    r = i.run(f'{BUILD}/holdfastd', '--home', i.home)
    assert r.returncode == 1 and 'already' in r.stderr, r.stderr


def test_a_medium_that_is_missing_is_no_new_hsm(i):
    """An empty mount point looks like a new HSM's home."""
    there = Instance(i.home, HOLDFAST_EXISTING='1')
    os.mkdir(i.home)
    r = there.cli('status')
    assert r.returncode == 1 and not os.path.exists(f'{i.home}/data'), r.stdout
    assert 'is its medium mounted?' in r.stderr + i.log(), r.stderr + i.log()
    r = i.run(f'{BUILD}/holdfastd', '--set', 'existing=yes', '--home', i.home)
    assert r.returncode == 1 and 'no HSM in' in r.stderr, r.stderr
    told = json.loads(i.cli('status', '--json').stdout)
    assert 'made at this start' in told['new'], told
    i.stop()
    told = json.loads(there.cli('status', '--json').stdout)
    assert told['state'] == 'operational' and 'new' not in told, told


def test_bad_settings_are_named(i):
    os.makedirs(i.home)
    open(f'{i.home}/holdfast.conf', 'w').write('# a comment\npin-failures = many\nno-such = 1\n')
    r = i.run(f'{BUILD}/holdfastd')
    assert r.returncode == 2, r
    for words in ('holdfast.conf:2', 'pin-failures = many', 'a number from 1 to 100',
                  'holdfast.conf:3', 'no-such'):
        assert words in r.stderr, r.stderr


def test_an_idle_private_instance_leaves(i):
    os.makedirs(i.home)
    open(f'{i.home}/holdfast.conf', 'w').write('idle-timeout = 1\n')
    i.must('info')
    assert i.monitors()
    wait_for(lambda: not i.monitors(), 15)
    i.must('info')


def test_a_stop_is_orderly_and_written_down(i):
    i.must('init', 'e2e')
    i.kill('monitor', signal.SIGTERM)
    wait_for(lambda: not i.monitors(), 10)
    r = i.cli('audit', 'show', '--from', '1', '--json')
    events = [e['event'] for e in json.loads(r.stdout)]
    assert events[0] == 'start' and 'stop' in events and 'key_pair_generate' in events, events


def test_after_stop_nothing_writes_to_the_directory(i):
    for n in range(10):
        assert i.cli('status').returncode == 0
        r = i.cli('stop')
        assert r.returncode == 0, r.stderr
        assert not i.monitors()
        if n % 2:
            shutil.rmtree(i.home)


def test_a_passphrase_locks_the_hsm(i):
    i.must('init', 'e2e')
    secret = f'{os.path.dirname(i.home)}/passphrase'
    open(secret, 'w').write('correct horse battery\n')
    r = i.cli('passphrase', '--pin-file', secret)
    assert r.returncode == 0, r.stderr
    i.stop()
    assert 'locked' in i.cli('status').stdout
    assert i.driver('sign', '0.1', '1').returncode == 1
    open(secret + '2', 'w').write('wrong\n')
    assert i.cli('unlock', '--pin-file', secret + '2').returncode == 1
    r = i.cli('unlock', '--pin-file', secret)
    assert r.returncode == 0, r.stderr
    i.must('sign', '0.1', '1')


def test_the_module_exports_only_pkcs11(i):
    r = i.run('nm', '-D', '--defined-only', MODULE)
    names = [line.split()[-1].split('@')[0] for line in r.stdout.splitlines()]
    assert names and all(n.startswith('C_') for n in names), names


def test_every_piece_of_the_benchmark_runs(i):
    def bench(*args):
        return i.run(f'{BUILD}/holdfast', 'bench', '--json', '--init', '--pin-fd', '0', '--seconds', '0.05',
                     *args, input='12345678\n')

    works = bench('--work', 'juggle').stderr.split('but: ')[1].split()
    works.remove('rsa8192-generate')
    rows = json.loads(bench('--work', ','.join(works), '--threads', '1,3', '--objects', '50').stdout)
    assert [(r['work'], r['threads']) for r in rows] == [(w, n) for w in works for n in (1, 3)]
    assert all(r['per_second'] > 0 and r['p50_us'] <= r['p99_us'] for r in rows), rows
    many = json.loads(bench('--work', 'p256-generate,p256-sign,aes-gcm-1m', '--threads', '48').stdout)
    assert all(r['per_second'] > 0 for r in many), many  # so many wait for the disk, or for their turn, at once
    left = i.run(f'{BUILD}/holdfast', 'object', 'list', '--json', '--partition', 'bench', '--pin-fd', '0',
                 input='12345678\n')
    assert json.loads(left.stdout) == [], left.stdout
    for bad in (['--threads', '0'], ['--seconds', 'x'], ['--module', '/no/such.so'], ['--objects', '-1'],
                ['--wait-fd', '0'], ['--work', 'p256-sign,juggle'], ['--threads', '1,x']):
        r = bench(*bad)
        assert r.returncode != 0 and 'holdfast: ' in r.stderr, bad


def test_programs_of_the_benchmark_begin_together(i):
    start, go = os.pipe()
    command = [f'{BUILD}/holdfast', 'bench', '--json', '--init', '--keep', '--pin-fd', '0', '--seconds', '0.05',
               '--work', 'p256-sign', '--threads', '1', '--wait-fd', str(start)]
    assert i.run(*command[:-2], input='12345678\n').returncode == 0  # the token and its key are there
    some = [subprocess.Popen(command, env=i.env, text=True, pass_fds=[start], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
    for p in some:
        p.stdin.write('12345678\n')
        p.stdin.close()
    assert [p.stderr.readline() for p in some] == ['ready\n'] * len(some)
    assert [p.poll() for p in some] == [None] * len(some)
    os.close(go)
    for p in some:
        assert json.loads(p.stdout.read())[0]['per_second'] > 0
        assert p.wait() == 0
        p.stdout.close()
        p.stderr.close()
    os.close(start)


def main(module):
    tests = {n[5:]: f for n, f in module.items() if n.startswith('test_')}
    if len(sys.argv) < 3 or sys.argv[2] not in tests:
        sys.exit('tests: ' + ' '.join(tests))
    scratch = tempfile.mkdtemp(prefix='holdfast-e2e-')
    i = Instance(f'{scratch}/home')
    try:
        tests[sys.argv[2]](i)
    except Skip as e:
        print(f'skipped: {e}')
        return 77
    except AssertionError:
        sys.stderr.write(i.log())
        raise
    finally:
        if i.monitors():
            i.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == '__main__':
    sys.exit(main(globals()))
