"""own_vault.py: a test over a vault of its own."""
import os
import subprocess
import tempfile

from p11 import Token


def run(build, tests, name):
    """run calls test_NAME of tests with the session of a new token."""
    with tempfile.TemporaryDirectory(prefix='holdfast-module-') as home:
        os.environ['HOLDFAST_HOME'] = home
        try:
            tests[f'test_{name}'](Token(f'{build}/libholdfast-pkcs11.so'))
        finally:
            subprocess.run([f'{build}/holdfast', 'stop'], check=False)
