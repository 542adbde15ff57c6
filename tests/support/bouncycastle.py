"""bouncycastle.py: signatures of HSS, XMSS and XMSS^MT checked by BouncyCastle, where it is."""
import os
import shutil
import subprocess

JAR = '/usr/share/java/bcprov.jar'
PROGRAM = f'{os.path.dirname(os.path.abspath(__file__))}/StatefulVerify.java'


def missing():
    """missing says what is not there, or ''."""
    if shutil.which('java') is None or shutil.which('javac') is None:
        return 'no java here (default-jdk-headless)'
    return '' if os.path.exists(JAR) else 'no BouncyCastle here (libbcprov-java)'


def verify(signatures):
    """verify takes (kind, public key, message, signature); says how it went, raises if one is wrong."""
    if missing():
        return missing()
    lines = ''.join(f'{kind} {pub.hex()} {message.hex()} {signature.hex()}\n'
                    for kind, pub, message, signature in signatures)
    r = subprocess.run(['java', '-cp', JAR, PROGRAM], input=lines, text=True, capture_output=True, check=False)
    assert r.returncode == 0, r.stdout + r.stderr
    return f'BouncyCastle: {r.stdout.strip()}'
