#!/usr/bin/env python3
"""processes.py BUILD TEST: holdfastd's own processes: how they start, end, limit and
replace each other. As e2e.py, which it stands on."""
import os
import re
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

import e2e
from e2e import BUILD, Skip, wait_for

DAEMON = f'{BUILD}/holdfastd'
PING, LIMIT = 2, 'LIMIT'
HEAD = struct.Struct('>IHHQQ')


def error_number(name):
    """error_number: the place of a name in spec/errors.def is its number on the wire."""
    text = open(f'{os.path.dirname(os.path.abspath(__file__))}/../../spec/errors.def').read()
    return 1 + re.findall(r'^ERR\((\w+),', text, re.M).index(name)


class Daemon:
    """Daemon is a holdfastd that the test starts itself, in a process group of its own."""

    def __init__(self, i, *args, **kw):
        os.makedirs(i.home, exist_ok=True)
        self.i, self.log = i, open(f'{i.home}/../log', 'a+', encoding='utf-8')
        self.p = subprocess.Popen([DAEMON, '--home', i.home, *args], stderr=self.log, env=i.env,
                                  start_new_session=True, **kw)

    def serves(self):
        """the vault serves"""
        try:
            return ask(connect(self.i)) == 0
        except OSError:
            return False

    def up(self):
        wait_for(self.serves)
        return self

    def end(self, sig=signal.SIGTERM):
        self.p.send_signal(sig)
        return self.p.wait(20)

    def text(self):
        self.log.seek(0)
        return self.log.read()


def connect(i, path=None):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path or f'{i.home}/vault.sock')
    return s


def ask(s):
    """ask sends a ping and returns the error number of the answer; -1: closed."""
    try:
        s.sendall(HEAD.pack(0, PING, 0, 1, 0))
        answer = s.recv(HEAD.size, socket.MSG_WAITALL)
    except ConnectionError:
        return -1
    return HEAD.unpack(answer)[2] if len(answer) == HEAD.size else -1


def events(i):
    r = i.cli('audit', 'show', '--from', '1', '--json')
    assert r.returncode == 0, r.stderr
    return re.findall(r'"event": ?"(\w+)"', r.stdout)


def alive(pid):
    try:
        return open(f'/proc/{pid}/stat').read().rsplit(')')[1].split()[0] != 'Z'
    except OSError:
        return False


# --- ends --------------------------------------------------------------------

def test_a_signal_to_all_processes_ends_in_order(i):
    d = Daemon(i).up()
    os.killpg(d.p.pid, signal.SIGINT)
    assert d.p.wait(20) == 0, d.text()
    assert 'ended' not in d.text(), d.text()
    assert not os.path.exists(f'{i.home}/vault.sock')
    Daemon(i).up()
    assert events(i)[:2] == ['start', 'stop'], events(i)


def test_a_stop_while_the_vault_dies_is_not_lost(i):
    for _ in range(10):
        d = Daemon(i).up()
        i.kill('vault')
        d.p.terminate()
        d.p.wait(20)
        assert d.p.returncode in (0, 1), d.text()


def test_a_stop_at_the_very_start_is_not_lost(i):
    for ms in range(0, 100, 7):
        d = Daemon(i)
        time.sleep(ms / 1000)
        d.p.terminate()
        d.p.wait(20)


def test_a_hang_up_changes_nothing(i):
    d = Daemon(i).up()
    before = i.roles()
    os.killpg(d.p.pid, signal.SIGHUP)
    time.sleep(0.3)
    assert i.roles() == before and ask(connect(i)) == 0
    assert 'restart' in d.text(), d.text()


def test_a_hanging_vault_does_not_keep_the_daemon(i):
    d = Daemon(i).up()
    vault = i.roles()['vault']
    os.kill(vault, signal.SIGSTOP)
    wait_for(lambda: open(f'/proc/{vault}/stat', encoding='utf-8').read().split()[2] == 'T')
    i.kill('keeper')
    wait_for(d.serves)
    assert 'killing it' in d.text(), d.text()


def test_nothing_outlives_the_monitor(i):
    d = Daemon(i).up()
    left = list(i.roles().values())
    d.p.kill()
    d.p.wait()
    wait_for(lambda: not any(map(alive, left)), 5)


def test_a_killed_daemon_is_replaced_at_once(i):
    for _ in range(10):
        d = Daemon(i, '--private').up()
        d.p.kill()
        d.p.wait()
    assert Daemon(i).up().end() == 0


def test_one_that_comes_while_another_leaves_waits_for_it(i):
    late = 0
    for n in range(10):
        d = Daemon(i).up()
        d.p.terminate()
        time.sleep(n / 1000)
        last = Daemon(i, '--private')
        d.p.wait(20)
        try:
            last.p.wait(0.2)  # it came before the other one knew that it leaves
        except subprocess.TimeoutExpired:
            late += 1
            last.up()
            assert last.end() == 0
    assert late > 0


def test_a_second_private_daemon_leaves_quietly(i):
    Daemon(i).up()
    r = i.run(DAEMON, '--home', i.home, '--private')
    assert r.returncode == 0 and not r.stderr, r.stderr


def test_a_private_daemon_leaves_a_removed_directory(i):
    d = Daemon(i, '--private').up()
    shutil.rmtree(i.home)
    d.p.wait(40)


# --- starts ------------------------------------------------------------------

def test_what_cannot_start_says_why_and_ends(i):
    os.makedirs(f'{i.home}/data')
    open(f'{i.home}/data/store.db', 'w').write('this is no database\n' * 1000)
    d = Daemon(i)
    assert d.p.wait(30) == 1
    assert 'does not start' in d.text() and 'store' in d.text(), d.text()


def test_a_home_that_cannot_be_made_is_named(i):
    os.makedirs(os.path.dirname(i.home), exist_ok=True)
    open(i.home, 'w').close()
    r = i.run(DAEMON, '--home', f'{i.home}/below')
    assert r.returncode == 1 and f'{i.home}/below' in r.stderr, r.stderr


def test_a_home_of_another_user_is_refused(i):
    if os.getuid() != 0:
        raise Skip('needs root, to give a directory away')
    os.makedirs(i.home)
    os.chown(i.home, 12345, 12345)
    r = i.run(DAEMON, '--home', i.home)
    assert r.returncode == 1 and 'another user' in r.stderr, r.stderr


def test_a_check_touches_nothing(i):
    r = i.run(DAEMON, '--home', i.home, '--check')
    assert r.returncode == 0 and 'self-tests: passed' in r.stdout, r.stdout + r.stderr
    assert not os.path.exists(i.home)
    i.env['HOLDFAST_TEST_FAIL_SELFTEST'] = 'aes-gcm'
    r = i.run(DAEMON, '--home', i.home, '--check')
    assert r.returncode == 1 and 'aes-gcm' in r.stderr, r.stderr


def test_a_check_reads_what_is_watched(i):
    def check(source):
        return i.run(DAEMON, '--home', i.home, '--set', f'tamper-source={source}', '--check')
    for source in ('foo:bar', 'command:', 'gpio:/dev/gpiochip0:1', 'input:/dev/input/event0:1:2', 'command:true;gpio'):
        r = check(source)
        assert r.returncode == 1 and 'tamper-source' in r.stderr and 'good' not in r.stdout, (source, r.stdout)
    assert check('command:exit 1; gpio:/dev/gpiochip0:1:low;input:/dev/input/event0:1:2:3').returncode == 0
    assert not os.path.exists(i.home)


def test_an_unlock_key_that_others_may_read_is_told(i):
    i.must('init', 'e2e')
    i.stop()
    assert 'not its owner' not in i.log()
    os.chmod(f'{i.home}/data/unlock.key', 0o644)
    i.must('sign', '0.1', '1')
    assert 'unlock.key is not its owner\'s alone (mode 644)' in i.log(), i.log()


def test_the_command_line_is_stronger_than_the_file(i):
    os.makedirs(i.home)
    open(f'{i.home}/holdfast.conf', 'w').write('workers = 3\npin-min = 6\n')
    r = i.run(DAEMON, '--home', i.home, '--set', 'workers=5', '--print-config')
    assert '#workers = 5\n' in r.stdout and '#pin-min = 6\n' in r.stdout, r.stdout
    r = i.run(DAEMON, '--home', i.home, '--set', 'pin-max=5')
    assert r.returncode == 2 and 'pin-min = 6 must not be above pin-max = 5' in r.stderr, r.stderr


def test_one_without_a_seal_uses_no_keys(i):
    for args, state in (((), 'error'), (('--allow-unsealed',), 'operational')):
        d = subprocess.Popen([f'{BUILD}/holdfastd.unsealed', '--home', i.home, *args],
                             env=i.env, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: os.path.exists(f'{i.home}/vault.sock'))
            assert state in i.cli('status').stdout
        finally:
            d.terminate()
            d.wait(20)


def test_the_environment_does_not_reach_the_roles(i):
    i.env['OPENSSL_CONF'] = '/nonexistent'
    Daemon(i).up()
    for pid in i.roles().values():
        assert b'OPENSSL_CONF' not in open(f'/proc/{pid}/environ', 'rb').read()


def test_the_roles_have_only_what_they_need(i):
    extra = os.open('/dev/zero', os.O_RDONLY)
    Daemon(i, pass_fds=[extra]).up()
    for role, pid in i.roles().items():
        status = open(f'/proc/{pid}/status').read()
        assert re.search(r'^Seccomp:\s2$', status, re.M), status
        assert re.search(r'^NoNewPrivs:\s1$', status, re.M), status
        assert re.search(r'^CapEff:\s0+$', status, re.M) or os.getuid() == 0, status
        names = {os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')}
        files = {n for n in names if n.startswith('/') and not n.startswith('/secretmem')}
        own = f'{i.home}/data'
        if role == 'vault':
            assert files == {'/dev/null', f'{own}/unlock.key', os.path.realpath(f'{i.home}/../log')}, files
        else:
            assert '/dev/zero' not in files and f'{own}/unlock.key' not in files, files
        limits = open(f'/proc/{pid}/limits').read()
        assert re.search(r'Max core file size +0 +0 ', limits), limits


# --- sockets -----------------------------------------------------------------

def test_systemd_hands_over_the_socket_and_hears_of_it(i):
    os.makedirs(i.home)
    server, hear = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = f'{i.home}/activated'
    server.bind(path)
    server.listen()
    hear.bind(f'{i.home}/notify')
    hear.settimeout(20)
    i.env['NOTIFY_SOCKET'] = f'{i.home}/notify'
    client = connect(i, path)  # waits in the queue
    d = subprocess.Popen(['sh', '-c', f'exec 3<&{server.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"',
                          'sh', DAEMON, '--home', i.home], env=i.env, pass_fds=[server.fileno()])
    try:
        assert hear.recv(100) == b'READY=1'
        assert ask(client) == 0
        i.kill('vault')
        assert ask(connect(i, path)) == 0
    finally:
        d.terminate()
        assert d.wait(20) == 0
    assert hear.recv(100) == b'STOPPING=1'
    assert os.path.exists(path) and not os.path.exists(f'{i.home}/vault.sock')


def test_a_socket_elsewhere_is_for_everybody(i):
    where = f'{i.home}-run'
    Daemon(i, '--set', f'socket-dir={where}')
    wait_for(lambda: os.path.exists(f'{where}/vault.sock'))
    assert stat.S_IMODE(os.stat(f'{where}/vault.sock').st_mode) == 0o666
    open(f'{i.home}/holdfast.conf', 'w').write(f'socket-dir = {where}\n')
    assert 'operational' in i.cli('status').stdout


def test_one_client_too_many_is_told_so(i):
    Daemon(i, '--set', 'max-connections=3')
    wait_for(lambda: os.path.exists(f'{i.home}/vault.sock'))
    most = [connect(i) for _ in range(3)]
    assert [ask(s) for s in most] == [0, 0, 0]
    assert ask(connect(i)) == error_number(LIMIT)
    most.pop().close()
    wait_for(lambda: ask(connect(i)) == 0)
    assert [ask(s) for s in most] == [0, 0]


def test_without_descriptors_clients_wait(i):
    d = Daemon(i, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))).up()
    clients = [connect(i) for _ in range(100)]
    for s in clients:
        s.sendall(HEAD.pack(0, PING, 0, 1, 0))
    for s in clients:  # each that leaves makes room for one that waits
        assert HEAD.unpack(s.recv(HEAD.size, socket.MSG_WAITALL))[2] == 0
        s.close()
    assert 'LimitNOFILE' in d.text()


def test_a_message_that_is_too_long_is_told_so(i):
    Daemon(i, '--set', 'max-message=65536').up()
    s = connect(i)
    s.sendall(HEAD.pack(65537, PING, 0, 9, 0) + bytes(65537))
    length, opcode, flags, request, _ = HEAD.unpack(s.recv(HEAD.size, socket.MSG_WAITALL))
    assert (length, opcode, flags, request) == (0, PING, error_number('TOO_BIG'), 9)
    i.must('init', 'e2e')
    i.must('sign', '0.1', '1')


# --- unlocking ---------------------------------------------------------------

def test_a_passphrase_file_unlocks_at_every_start(i):
    path = f'{i.home}-passphrase'
    os.makedirs(i.home)
    open(path, 'w').write('correct horse battery\nand more\n')
    args = ['--set', 'unlock=passphrase', '--set', f'passphrase-file={path}']
    d = Daemon(i, *args).up()
    i.must('init', 'e2e')
    i.kill('vault')
    d.up()
    i.must('sign', '0.1', '1')
    assert d.end() == 0
    assert not os.path.exists(f'{i.home}/data/unlock.key')
    open(path, 'w').write('wrong horse\n')
    d = Daemon(i, *args).up()
    assert 'locked' in i.cli('status').stdout
    assert 'does not unlock' in d.text(), d.text()
    assert d.end() == 0
    os.remove(path)
    d = Daemon(i, *args)
    assert d.p.wait(20) == 1 and path in d.text(), d.text()


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
