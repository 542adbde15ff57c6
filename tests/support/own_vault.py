"""own_vault.py: a test over a vault of its own, by the transport that HOLDFAST_TRANSPORT says:
shared memory, `socket`, or `loopback`: the vault in the test's own process."""
import fcntl
import os
import subprocess
import sys
import tempfile

from p11 import Token

LOOPBACK = os.environ.get('HOLDFAST_TRANSPORT') == 'loopback'


def module(build):
    return f'{build}/tests/support/libholdfast-loopback.so' if LOOPBACK else f'{build}/libholdfast-pkcs11.so'


def needs_daemon(test):
    """needs_daemon marks a test that looks at the vault from another process, or restarts it."""
    test.needs_daemon = True
    return test


def stop(build):
    """stop returns when the daemon is gone, who answers others for a moment after he was told."""
    if LOOPBACK:
        return
    subprocess.run([f'{build}/holdfast', 'stop'], check=False)
    with open(os.environ['HOLDFAST_HOME'] + '/lock', 'ab') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def run(build, tests, name):
    """run calls test_NAME of tests with the session of a new token."""
    test = tests[f'test_{name}']
    if LOOPBACK and getattr(test, 'needs_daemon', False):
        print('without a daemon there is nothing to see')
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix='holdfast-module-') as home:
        os.environ['HOLDFAST_HOME'] = home
        try:
            test(Token(module(build)))
        finally:
            stop(build)
