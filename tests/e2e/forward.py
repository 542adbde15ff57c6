#!/usr/bin/env python3
"""forward.py BUILD TEST: audit records on their way to other people's collectors, which
are killed and come back. Each record arrives at least once."""
import glob
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import e2e
from backup import Hsm


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def certificate(d):
    """certificate makes an authority and a certificate of it for 127.0.0.1."""
    def openssl(*args):
        subprocess.run(['openssl', *args], cwd=d, check=True, capture_output=True)
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test CA',
            '-keyout', 'ca.key', '-out', 'ca.pem')
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=collector', '-keyout', 'key.pem',
            '-out', 'req.pem')
    with open(f'{d}/ext', 'w') as f:
        f.write('subjectAltName=IP:127.0.0.1\n')
    openssl('x509', '-req', '-in', 'req.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial',
            '-days', '2', '-extfile', 'ext', '-out', 'cert.pem')


class Collector:
    """Collector is a syslog daemon that writes what it gets to a file at once."""

    def __init__(self, home, tls):
        self.dir, self.port, self.process = f'{home}-collector', free_port(), None
        os.mkdir(self.dir)
        if tls:
            certificate(self.dir)
        self.tls = tls
        self.got = f'{self.dir}/got'
        with open(f'{self.dir}/conf', 'w') as f:
            f.write(self.conf())

    @classmethod
    def installed(cls):
        return shutil.which(cls.program) is not None

    def start(self):
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def url(self):
        return f'{"tls" if self.tls else "tcp"}://127.0.0.1:{self.port}'

    def seqs(self):
        if not os.path.exists(self.got):
            return []
        with open(self.got, encoding='utf-8') as f:
            return [int(x) for x in re.findall(r'"seq":\s*(\d+)', f.read())]


class Rsyslog(Collector):
    program = 'rsyslogd'

    def conf(self):
        d, tls = self.dir, self.tls
        return (f'''global(workDirectory="{d}" ''' + (f'''defaultNetstreamDriver="ossl"
            defaultNetstreamDriverCAFile="{d}/ca.pem" defaultNetstreamDriverCertFile="{d}/cert.pem"
            defaultNetstreamDriverKeyFile="{d}/key.pem"''' if tls else '') + ''')
            main_queue(queue.type="Direct")
            module(load="imtcp"''' + (''' StreamDriver.Name="ossl" StreamDriver.Mode="1"
            StreamDriver.AuthMode="anon"''' if tls else '') + f''')
            input(type="imtcp" address="127.0.0.1" port="{self.port}")
            template(name="raw" type="string" string="%msg%\\n")
            action(type="omfile" file="{self.got}" template="raw")\n''')

    def command(self):
        return [self.program, '-n', '-f', f'{self.dir}/conf', '-i', f'{self.dir}/pid']


class SyslogNg(Collector):
    """SyslogNg writes from a queue of its own, which has to be on disk."""
    program = 'syslog-ng'
    root = subprocess.run([f'{os.path.dirname(__file__)}/../../tools/syslog-ng', 'have'], text=True,
                          stdout=subprocess.PIPE).stdout.strip()

    @classmethod
    def installed(cls):
        return cls.root != '' or super().installed()

    def conf(self):
        d = self.dir
        tls = f'transport("tls") tls(key-file("{d}/key.pem") cert-file("{d}/cert.pem") peer-verify(no))'
        return f'''@version: 3.35
            source s {{ syslog(ip("127.0.0.1") port({self.port}) {tls if self.tls else 'transport("tcp")'}
                flags(no-multi-line)); }};
            destination d {{ file("{self.got}" template("$MSG\\n") flush-lines(1) disk-buffer(reliable(yes)
                dir("{d}") disk-buf-size(268435456) mem-buf-size(1048576))); }};
            log {{ source(s); destination(d); flags(flow-control); }};\n'''

    def command(self):
        d, lib = self.dir, f'{self.root}/usr/lib/syslog-ng'
        unpacked = ['env', f'LD_LIBRARY_PATH={lib}', f'{self.root}/usr/sbin/syslog-ng',
                    f'--module-path={glob.glob(lib + "/[0-9]*")[0]}'] if self.root else [self.program]
        return [*unpacked, '-F', '-f', f'{d}/conf', '-p', f'{d}/pid', '-c', f'{d}/ctl', '-R', f'{d}/persist']


def forward(i, to, *args, **kw):
    return subprocess.Popen([f'{e2e.BUILD}/holdfast', 'audit', 'forward', '--to', to, *args,
                             f'{i.home}/data/audit'], stderr=subprocess.PIPE, text=True, env={**i.env, **kw})


def cursor(path):
    return int(open(path).read().split()[0]) if os.path.exists(path) else 0


def last_of(i):
    return json.loads(i.cli('audit', 'key', '--json').stdout)['last']


def goes_through_restarts(i, kind, tls):
    """Signing goes on while the collector is killed twice and the forwarder once."""
    if not kind.installed():
        raise e2e.Skip(f'{kind.program} is not installed')
    i.must('init', 'e2e')
    c = kind(i.home, tls)
    place = f'{i.home}-cursor'
    args = (c.url(), '--follow', '--cursor', place, *(('--ca', f'{c.dir}/ca.pem') if tls else ()))
    c.start()
    p = forward(i, *args)
    signing = threading.Thread(target=i.must, args=('sign', '6', '2'))
    signing.start()
    try:
        for _ in range(2):
            time.sleep(1.2)
            c.kill()
            time.sleep(0.7)
            c.start()
        p.kill()
        p.wait()
        p = forward(i, *args)
        signing.join()
        last = last_of(i)
        e2e.wait_for(lambda: cursor(place) > last, 60)
        got = c.seqs()
        assert set(range(1, last + 1)) <= set(got), sorted(set(range(1, last + 1)) - set(got))[:9]
        print(f'{last} records sent, {len(set(got))} stored, {len(got) - len(set(got))} of them twice')
    finally:
        p.kill()
        c.kill()


def test_rsyslog_gets_every_record_over_tls(i):
    goes_through_restarts(i, Rsyslog, True)


def test_rsyslog_gets_every_record_over_tcp(i):
    goes_through_restarts(i, Rsyslog, False)


def test_syslog_ng_gets_every_record_over_tls(i):
    goes_through_restarts(i, SyslogNg, True)


def test_syslog_ng_gets_every_record_over_tcp(i):
    goes_through_restarts(i, SyslogNg, False)


# It dies with the first things that it read, each time at once replaced by another.
DIES = """
import os, signal, socket, sys, threading
got, deaths = sys.argv[1], int(sys.argv[3])
listener = socket.create_server(('127.0.0.1', int(sys.argv[2])))
def serve(c):
    data = b''.join(iter(lambda: c.recv(65536), b''))
    if data and deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    with open(got, 'ab') as f:
        f.write(data)
    c.close()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def test_a_collector_that_dies_with_what_it_read_gets_it_again(i):
    i.must('init', 'e2e')
    last, port, out, alive, over = last_of(i), free_port(), f'{i.home}-got', [], threading.Event()

    def serve():
        for deaths in range(3, -1, -1):
            if over.is_set():
                return
            alive.append(subprocess.Popen([sys.executable, '-c', DIES, out, str(port), str(deaths)]))
            alive[-1].wait()
    threading.Thread(target=serve, daemon=True).start()
    p = forward(i, f'tcp://127.0.0.1:{port}', '--follow', '--cursor', f'{i.home}-cursor')
    try:
        e2e.wait_for(lambda: cursor(f'{i.home}-cursor') > last)
        assert len(alive) == 4, len(alive)
        got = [int(x) for x in re.findall(r'"seq":\s*(\d+)', open(out).read())]
        assert set(range(1, last + 1)) <= set(got), got
    finally:
        over.set()
        p.kill()
        alive[-1].kill()


def test_a_collector_that_cannot_be_trusted_gets_nothing(i):
    if not Rsyslog.installed():
        raise e2e.Skip('rsyslogd is not installed')
    assert i.cli('selftest').returncode == 0
    c = Rsyslog(i.home, True)
    os.mkdir(f'{i.home}-other')
    certificate(f'{i.home}-other')
    c.start()
    try:
        e2e.wait_for(lambda: socket.socket().connect_ex(('127.0.0.1', c.port)) == 0)
        p = forward(i, c.url(), '--ca', f'{i.home}-other/ca.pem')
        assert p.wait(30) == 1
        assert 'self-signed' in (said := p.stderr.read()) or 'issuer' in said or 'signature' in said, said
        assert c.seqs() == []
    finally:
        c.kill()


class Hec(http.server.BaseHTTPRequestHandler):
    """Hec answers like Splunk's collector; every second request fails."""
    events, requests = [], 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        Hec.requests += 1
        good = Hec.requests % 2 == 0 and self.headers['Authorization'] == 'Splunk s3cret'
        if good:
            Hec.events += [json.loads(x)['event'] for x in body.splitlines()]
        self.send_response(200 if good else 503)
        self.end_headers()

    def log_message(self, *args):
        pass


def test_an_http_collector_gets_every_record(i):
    for _ in range(5):
        i.cli('selftest')
    server = http.server.HTTPServer(('127.0.0.1', 0), Hec)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f'{i.home}-cursor'
    last = last_of(i)
    p = forward(i, f'http://127.0.0.1:{server.server_port}', '--follow', '--cursor', place,
                HOLDFAST_COLLECTOR_TOKEN='s3cret')
    try:
        e2e.wait_for(lambda: cursor(place) > last)
    finally:
        p.kill()
        server.shutdown()
    assert [e['seq'] for e in Hec.events][:last] == list(range(1, last + 1))


def answer_in_pieces(server, pieces, got):
    """answer_in_pieces answers each request piece by piece, and notes what becomes of the connection."""
    while True:
        try:
            s, _ = server.accept()
        except OSError:
            return
        with s, s.makefile('rb') as f:
            head = b''.join(iter(f.readline, b'\r\n')).decode()
            length = next(int(x.split(':')[1]) for x in head.splitlines() if x.lower().startswith('content-length'))
            events = [json.loads(x)['event'] for x in f.read(length).splitlines()]
            try:
                for piece in pieces:
                    s.sendall(piece)
                    time.sleep(0.01)
                end = f.read(1)
            except OSError as e:
                end = e
            got.append((events, end))


def test_an_http_collector_s_answer_is_read_to_its_end(i):
    last = last_of(i)
    body = b'{"text":"Success","code":0}' * 20
    whole = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body)
    chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' + b'1b\r\n%s\r\n' % body[:27] * 9 + b'0\r\n\r\n'
    for answer in (whole, chunked):
        got = []
        with socket.create_server(('127.0.0.1', 0)) as server:
            pieces = [answer[at:at + 61] for at in range(0, len(answer), 61)]
            t = threading.Thread(target=answer_in_pieces, args=(server, pieces, got))
            t.start()
            p = forward(i, f'http://127.0.0.1:{server.getsockname()[1]}')
            assert p.wait(e2e.PATIENCE) == 0, p.stderr.read()
            server.shutdown(socket.SHUT_RDWR)
            t.join()
        assert got and all(end == b'' for _, end in got), [end for _, end in got]
        assert [e['seq'] for events, _ in got for e in events][:last] == list(range(1, last + 1))


def test_an_http_collector_s_refusal_is_told_with_its_reason(i):
    last_of(i)
    body = b'{"text":"Invalid token","code":4}'
    got = []
    with socket.create_server(('127.0.0.1', 0)) as server:
        t = threading.Thread(target=answer_in_pieces, args=(server, [
            b'HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n' % len(body), body], got))
        t.start()
        p = forward(i, f'http://127.0.0.1:{server.getsockname()[1]}')
        assert p.wait(e2e.PATIENCE) == 1
        said = p.stderr.read()
        server.shutdown(socket.SHUT_RDWR)
        t.join()
    assert '403 Forbidden' in said and 'Invalid token' in said, said


def test_a_pipe_s_reader_has_read_what_counts_as_delivered(i):
    last, pipe, place = last_of(i), f'{i.home}-pipe', f'{i.home}-cursor'
    os.mkfifo(pipe)
    p = forward(i, f'file:{pipe}', '--cursor', place)
    reader = os.open(pipe, os.O_RDONLY)  # takes some, and ends
    got = os.read(reader, 100)
    assert p.poll() is None and not os.path.exists(place), 'the pipe still holds the rest'
    os.close(reader)
    assert p.wait(e2e.PATIENCE) == 1 and len(got) == 100
    assert 'ended before it had read everything' in p.stderr.read() and not os.path.exists(place)
    p = forward(i, f'file:{pipe}', '--cursor', place)
    with open(pipe, encoding='utf-8') as f:
        lines = f.read().splitlines()
    assert p.wait(e2e.PATIENCE) == 0, p.stderr.read()
    assert [json.loads(x)['seq'] for x in lines][:last] == list(range(1, last + 1))
    assert cursor(place) > last


def test_a_file_gets_each_format(i):
    i.must('init', 'e2e')
    begins = {'json': '{', 'rfc5424': '<', 'cef': 'CEF:0|Holdfast|', 'leef': 'LEEF:2.0|Holdfast|'}
    last = last_of(i)
    for name, begin in begins.items():
        out, place = f'{i.home}-{name}', f'{i.home}-cursor-{name}'
        for _ in range(2):
            p = forward(i, f'file:{out}', '--format', name, '--cursor', place)
            assert p.wait(30) == 0, p.stderr.read()
        lines = open(out).read().splitlines()
        assert last <= len(lines) <= last + 2, (last, len(lines))
        assert all(x.startswith(begin) for x in lines), lines[0]


def test_metrics_count_what_was_done(i):
    i.must('init', 'e2e')
    i.must('sign', '1', '1')
    text = i.cli('metrics').stdout
    values = dict(x.rsplit(' ', 1) for x in text.splitlines() if not x.startswith('#'))
    assert values['holdfast_ready'] == '1' and values['holdfast_state{state="operational"}'] == '1'
    assert int(values['holdfast_calls_total{call="sign",result="ok"}']) > 0
    assert int(values['holdfast_call_seconds_count{call="sign"}']) > 0
    assert any(x.startswith('holdfast_mechanism_uses_total{mechanism="') for x in values), text
    assert any(x.startswith('holdfast_mechanism_seconds_count{call="sign",mechanism="') for x in values), text
    assert values['holdfast_audit_failing'] == '0' and values['holdfast_audit_dropped_total'] == '0'
    health = json.loads(i.cli('health', '--json').stdout)
    assert health['ready'] and health['audit'] and health['selftest'], health


def named(expr):
    """named: the metrics that an expression asks for, each with the labels that it looks at."""
    expr = re.sub(r'__name__=~"([\w|]+)"', lambda m: m.group(1).replace('|', '} or {'), expr)
    for name, labels in re.findall(r'(holdfast_\w+)(?:\{([^}]*)\})?', expr):
        yield name, set(re.findall(r'(\w+)\s*[=!]', labels or ''))


def test_alerts_and_dashboard_ask_for_what_the_endpoint_has(i):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    h = Hsm(i)
    h.generate('k', 'aes:256')
    h.create()
    h.must('backup', 'rehearse', '--passphrase-file', h.passphrase, h.file)
    have = {}
    for line in h.must('metrics').splitlines():
        if not line.startswith('#'):
            name, labels = re.match(r'(\w+)(?:\{(.*)\})? ', line).groups()
            have.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ''))
    with open(f'{root}/packaging/grafana/holdfast.json', encoding='utf-8') as f:
        asked = [(t['expr'], p['title']) for p in json.load(f)['panels'] for t in p['targets']]
    with open(f'{root}/packaging/prometheus/holdfast.rules.yml', encoding='utf-8') as f:
        asked += [(x, x) for x in re.findall(r'expr: (.*)', f.read())]
    assert len(asked) > 20
    for expr, where in asked:
        names = list(named(expr))
        assert names, expr
        for name, labels in names:
            assert name in have and labels <= have[name], (where, name, labels, have.get(name))


def test_metrics_and_health_are_told_over_http(i):
    assert i.cli('selftest').returncode == 0
    cases = (('GET /readyz', '200', 'ready'), ('GET /healthz', '200', 'healthy'),
             ('GET /metrics', '200', 'holdfast_ready 1'), ('GET /metrics?x=1', '200', 'holdfast_ready 1'),
             ('GET /other', '404', '/metrics'), ('POST /metrics', '405', 'GET'))
    for line, status, word in cases:
        p = subprocess.run([f'{e2e.BUILD}/holdfast', 'metrics', '--format', 'http'], env=i.env, text=True,
                           input=f'{line} HTTP/1.1\r\nHost: x\r\n\r\n', capture_output=True)
        assert p.stdout.startswith(f'HTTP/1.1 {status} ') and word in p.stdout, (line, p.stdout)


def delivered(i, out, *args):
    """delivered runs a forwarder once; what it said and what came."""
    before = len(open(out).read().splitlines()) if os.path.exists(out) else 0
    p = forward(i, f'file:{out}', *args)
    assert p.wait(30) == 0, p.stderr.read()
    return p.stderr.read(), [json.loads(x) for x in open(out).read().splitlines()[before:]]


def test_a_log_that_went_back_is_told_and_sent_from_its_gap_on(i):
    d, args = f'{i.home}/data/audit', (f'{i.home}-out', '--cursor', f'{i.home}-cursor')
    i.must('init', 'e2e')
    i.stop()
    shutil.copytree(d, f'{i.home}-before')
    i.must('sign', '0.2', '1')
    i.stop()
    said, got = delivered(i, *args)
    end = got[-1]['seq']
    shutil.rmtree(d)
    shutil.copytree(f'{i.home}-before', d)
    said, got = delivered(i, *args)
    assert 'cut, replaced or deleted' in said and got[0]['event'] == 'log-rolled-back', (said, got)
    assert [x['seq'] for x in got[1:]] == list(range(1, len(got))), got  # behind which nothing is signed yet
    i.must('sign', '0.2', '1')
    i.stop()
    said, got = delivered(i, *args)
    assert [x['event'] for x in got][:3] == ['records-missing', 'audit-gap', 'start'], got[:3]
    assert f'to {end} are not in the log' in got[0]['detail'] and got[1]['seq'] == end + 1
    for event in ('cursor is lost', 'old cursor'):
        with open(f'{i.home}-cursor') as f:
            at, sha = f.read().split()
        with open(f'{i.home}-cursor', 'w') as f:
            f.write(f'{at} {"00" * 32}\n' if event == 'cursor is lost' else f'{int(at) + 99}\n')
        said, got = delivered(i, *args)
        assert [x['event'] for x in got][:3] == ['log-rolled-back', 'audit-gap', 'start'], (event, got[:3])
        assert got[-1]['event'] == 'stop' and 'Going on' in said


def test_numbers_that_were_given_anew_are_sent_anew(i):
    """What stands behind the last signed record may be cut unseen, and its numbers come again."""
    args = (f'{i.home}-out', '--cursor', f'{i.home}-cursor')
    name = f'{i.home}/data/audit/{1:020}.log'
    i.must('init', 'e2e')
    i.must('sign', '0.2', '1')
    i.kill('monitor')
    e2e.wait_for(lambda: not i.roles())
    delivered(i, *args)
    with open(name, 'r+b') as f:
        data, at, ends = f.read(), 0, []
        while at < len(data):
            at += 16 + int.from_bytes(data[at:at + 4], 'big')
            ends.append(at)
        f.truncate(ends[-6])
    i.must('sign', '0.2', '1')
    i.stop()
    said, got = delivered(i, *args)
    log = [json.loads(x) for x in i.cli('audit', 'export', f'{i.home}/data/audit').stdout.splitlines()]
    assert not any(x['event'] == 'audit-gap' for x in log) and len(log) > len(ends), (len(log), len(ends))
    assert got[0]['event'] == 'log-rolled-back' and 'Going on' in said, got[0]
    assert got[1:] == log[-len(got[1:]):] and got[1]['seq'] <= len(ends) - 5, (got[1], len(ends))


def test_a_follower_hears_of_records_that_are_missing_and_damaged(i):
    i.must('init', 'e2e')
    i.must('sign', '0.2', '1')
    i.stop()
    name = f'{i.home}/data/audit/{1:020}.log'
    data, at, records = bytearray(open(name, 'rb').read()), 0, []
    while at < len(data):
        n = 16 + int.from_bytes(data[at:at + 4], 'big')
        records.append(data[at:at + n])
        at += n
    records[2][40] ^= 1
    del records[4]
    with open(name, 'wb') as f:
        f.write(b''.join(records))
    said, got = delivered(i, f'{i.home}-out')
    assert [x['seq'] for x in got] == [1, 2, 3, 4, 6, *range(6, len(records) + 2)], [x['seq'] for x in got]
    assert got[2]['event'] == 'damaged-record' and got[2]['time'] == got[1]['time'] > '2020', got[2]
    assert got[4]['event'] == 'records-missing' and 'records 5 to 5' in got[4]['detail'], got[4]
    assert 'records 5 to 5 are not in the log' in said


def test_a_cursor_that_cannot_be_written_is_named(i):
    assert i.cli('selftest').returncode == 0
    p = forward(i, f'file:{i.home}-out', '--cursor', f'{i.home}-none/cursor')
    assert p.wait(30) == 1 and f'{i.home}-none/cursor cannot be written' in (said := p.stderr.read()), said
    assert not os.path.exists(f'{i.home}-out')  # nothing was sent that would be sent again


def test_a_port_that_is_none_is_refused(i):
    for kind in ('tcp', 'tls', 'udp', 'http', 'https'):
        for port in ('99999', '65536', '0', '-1', '17x'):
            p = forward(i, f'{kind}://127.0.0.1:{port}')
            said = p.communicate(timeout=30)[1]
            assert p.returncode == 2 and f"from 1 to 65535, not '{port}'" in said, (kind, port, said)


def test_a_directory_without_a_log_is_named(i):
    d = f'{i.home}/data/audit'
    os.makedirs(d)
    p = forward(i, f'file:{i.home}-out')
    for code, said in ((p.wait(30), p.stderr.read()), *(
            (r.returncode, r.stderr) for r in (i.cli('audit', x, d) for x in ('export', 'query')))):
        assert code == 1 and f'there is no audit log in {d}' in said, said


def test_a_full_disk_keeps_the_cursor(i):
    i.must('init', 'e2e')
    place = f'{i.home}-cursor'
    p = forward(i, 'file:/dev/full', '--cursor', place)
    assert p.wait(30) == 1 and 'No space' in p.stderr.read()
    assert cursor(place) == 0


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
