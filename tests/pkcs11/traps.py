#!/usr/bin/env python3
"""traps.py BUILD TEST: what other tokens got wrong, each fault by its name, and what must come instead.
Two have their tests where a store can be made to fail and a setting to change: the deletion that the
store refuses (test_objects.c: what_the_store_would_not_delete_is_still_there) and the iterations of a
PIN, which are stored with it and renewed (test_logins.c: stronger_derivation_comes_with_the_next_login).
None here measures time."""
import ctypes
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

import own_vault  # noqa: E402
from p11 import N, ULONG, Attribute, Params, buffer, refused, template  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
MODULE = f'{BUILD}/libholdfast-pkcs11.so'
HERE = os.path.dirname(os.path.abspath(__file__))
P256 = bytes.fromhex('06082a8648ce3d030107')
PIN = b'12345678'
NOBODY = 65534


class Interface(ctypes.Structure):
    _fields_ = [('name', ctypes.c_char_p), ('list', ctypes.c_void_p), ('flags', ULONG)]


def pair(t, **private):
    halves = ULONG(0), ULONG(0)
    pub, priv = template({'TOKEN': False, 'EC_PARAMS': P256, 'VERIFY': True}), template({
        'TOKEN': False, 'SIGN': True, **private})
    t.call('C_GenerateKeyPair', t.h, t.mechanism('EC_KEY_PAIR_GEN'), *pub, *priv, *map(ctypes.byref, halves))
    return halves


def opened(t, flags=N.CKF_SERIAL_SESSION | N.CKF_RW_SESSION):
    h = ULONG(0)
    t.call('C_OpenSession', t.slot, ULONG(flags), None, None, ctypes.byref(h))
    return h


def state(t, h):
    info = (ULONG * 4)()
    t.call('C_GetSessionInfo', h, info)
    return info[1]


def in_program(code, **environment):
    """in_program runs Python of a program of its own with the module's path, and returns its output."""
    head = 'import ctypes,sys\nlib=ctypes.CDLL(sys.argv[1])\nU=ctypes.c_ulong\n'
    run = subprocess.run([sys.executable, '-c', head + code, MODULE], capture_output=True, check=False,
                         env={**os.environ, **environment})
    assert run.returncode == 0, (run.returncode, run.stderr.decode()[-400:])
    return run.stdout.decode()


# --- SoftHSM: C_GetInfo says 3.2 and there is no such interface ----------------------------------


def test_the_version_it_tells_has_an_interface(t):
    info = (ctypes.c_ubyte * 256)()
    t.call('C_GetInfo', info)
    n = ULONG(0)
    t.call('C_GetInterfaceList', None, ctypes.byref(n))
    found = (Interface * n.value)()
    t.call('C_GetInterfaceList', found, ctypes.byref(n))
    versions = {tuple((ctypes.c_ubyte * 2).from_address(i.list)) for i in found if i.name == b'PKCS 11'}
    assert tuple(info[:2]) in versions and (3, 2) in versions, versions
    one = ctypes.POINTER(Interface)()
    for version in versions:
        t.call('C_GetInterface', b'PKCS 11', (ctypes.c_ubyte * 2)(*version), ctypes.byref(one), ULONG(0))
        functions = {(2, 40): 68, (3, 0): 92, (3, 2): 103}[version]
        pointers = (ctypes.c_void_p * functions).from_address(one.contents.list + 8)
        assert all(pointers), version
    assert refused(t.call, 'C_GetInterface', b'PKCS 11', (ctypes.c_ubyte * 2)(3, 9), ctypes.byref(one),
                   ULONG(0)) != 'CKR_OK'


# --- p11-kit: mechanisms that it does not know get lost on the way -------------------------------


LISTS = '''
lib.C_Initialize(None)
n=U(8); s=(U*8)(); lib.C_GetSlotList(1,s,ctypes.byref(n))
n=U(0); lib.C_GetMechanismList(U(s[0]),None,ctypes.byref(n))
m=(U*n.value)(); lib.C_GetMechanismList(U(s[0]),m,ctypes.byref(n))
i=(U*3)()
print(*sorted(x for x in m if lib.C_GetMechanismInfo(U(s[0]),U(x),i)==0))
'''


@own_vault.needs_daemon
def test_no_mechanism_is_lost_on_the_way(t):
    rows = {name for path in glob.glob(f'{HERE}/../../spec/mechanisms/*.def')
            for name in re.findall(r'^MECH\((\w+),', open(path, encoding='utf-8').read(), re.M)}
    want = sorted(getattr(N, f'CKM_{name}') for name in rows)
    for transport in ('shm', 'socket'):
        got = [int(x) for x in in_program(LISTS, HOLDFAST_TRANSPORT=transport).split()]
        assert got == want, (transport, set(want) ^ set(got))


# --- wolfPKCS11 F-6492, SoftHSM #900: a login that outlives its end -------------------------------


def test_closing_all_sessions_ends_the_login(t):
    _, private = pair(t, TOKEN=True, LABEL=b'still here')
    t.call('C_CloseAllSessions', t.slot)
    t.h = opened(t)
    assert state(t, t.h) == N.CKS_RW_PUBLIC_SESSION
    assert refused(t.sign, t.mechanism('ECDSA'), private, bytes(32)) != 'CKR_OK'
    t.login(N.CKU_USER)
    assert t.sign(t.mechanism('ECDSA'), private, bytes(32))


def test_the_last_session_that_closes_ends_the_login(t):
    other = opened(t)
    t.call('C_CloseSession', t.h)
    assert state(t, other) == N.CKS_RW_USER_FUNCTIONS
    t.call('C_CloseSession', other)
    t.h = opened(t)
    assert state(t, t.h) == N.CKS_RW_PUBLIC_SESSION


def test_a_logout_ends_a_signature_that_has_begun(t):
    _, private = pair(t)
    t.call('C_SignInit', t.h, t.mechanism('ECDSA_SHA256'), private)
    t.call('C_SignUpdate', t.h, buffer(b'data'), ULONG(4))
    t.call('C_Logout', t.h)
    out, n = buffer(bytes(64)), ULONG(64)
    assert refused(t.call, 'C_SignFinal', t.h, out, ctypes.byref(n)) != 'CKR_OK'
    assert out.raw[:64] == bytes(64)
    assert refused(t.call, 'C_SignInit', t.h, t.mechanism('ECDSA'), private) != 'CKR_OK'
    t.login(N.CKU_USER)
    assert refused(t.call, 'C_SignFinal', t.h, out, ctypes.byref(n)) == 'CKR_OPERATION_NOT_INITIALIZED'


# --- wolfPKCS11 F-5867, kryoptic PR 373: who may set and read what --------------------------------


def aes(t, **more):
    return t.create(**{'CLASS': N.CKO_SECRET_KEY, 'KEY_TYPE': N.CKK_AES, 'VALUE': bytes(range(16)), 'WRAP': True,
                       'DERIVE': True, 'EXTRACTABLE': False, **more})


def copied(t, key, **more):
    h = ULONG(0)
    t.call('C_CopyObject', t.h, key, *template(more), ctypes.byref(h))
    return h


def test_the_user_makes_no_key_trusted(t):
    key = aes(t)
    read_only = 'CKR_ATTRIBUTE_READ_ONLY'
    assert refused(t.set, key, TRUSTED=True) == read_only
    assert refused(aes, t, TRUSTED=True) == read_only
    assert refused(copied, t, key, TRUSTED=True) != 'CKR_OK'
    assert refused(t.generate, t.mechanism('AES_KEY_GEN'), VALUE_LEN=16, TRUSTED=True) == read_only
    xor = t.mechanism('XOR_BASE_AND_DATA', Params('P', bytes(16)))
    assert refused(t.derive, xor, key, KEY_TYPE=N.CKK_AES, TRUSTED=True) == read_only
    assert t.get(key, 'TRUSTED') == b'\0'


def test_a_sensitive_value_is_told_to_nobody(t):
    key = aes(t, SENSITIVE=True)
    plain = copied(t, aes(t, SENSITIVE=False, EXTRACTABLE=True))
    assert t.get(plain, 'VALUE') == bytes(range(16))
    for what in (key, copied(t, key)):
        assert refused(t.get, what, 'VALUE') == 'CKR_ATTRIBUTE_SENSITIVE'
        a = Attribute(N.CKA_VALUE, ctypes.addressof(room := buffer(bytes(16))), 16)
        assert refused(t.call, 'C_GetAttributeValue', t.h, what, ctypes.byref(a), ULONG(1)) != 'CKR_OK'
        assert room.raw[:16] == bytes(16) and a.length == 2**64 - 1
    assert refused(t.set, key, SENSITIVE=False) == 'CKR_ATTRIBUTE_READ_ONLY'
    assert refused(t.set, key, EXTRACTABLE=True) == 'CKR_ATTRIBUTE_READ_ONLY'
    assert refused(copied, t, key, SENSITIVE=False) == 'CKR_ATTRIBUTE_READ_ONLY'
    assert refused(t.wrap, t.mechanism('AES_KEY_WRAP_KWP'), aes(t), key) == 'CKR_KEY_UNEXTRACTABLE'
    joined = t.mechanism('CONCATENATE_BASE_AND_DATA', Params('P', b'x'))
    made = t.derive(joined, key, CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_GENERIC_SECRET, SENSITIVE=True)
    assert t.get(made, 'EXTRACTABLE') == b'\0' and refused(t.get, made, 'VALUE') == 'CKR_ATTRIBUTE_SENSITIVE'
    open_ = {'CLASS': N.CKO_SECRET_KEY, 'KEY_TYPE': N.CKK_GENERIC_SECRET, 'SENSITIVE': False}
    answer = refused(t.derive, joined, key, **open_)
    assert answer != 'CKR_OK' or refused(t.get, t.derive(joined, key, **open_), 'VALUE') != 'CKR_OK'
    t.call('C_Logout', t.h)
    t.login(N.CKU_SO)
    assert refused(t.get, key, 'VALUE') != 'CKR_OK'


# --- SoftHSM #903: a handle that is gone before the object is --------------------------------------


@own_vault.needs_daemon
def test_a_refused_deletion_leaves_the_object(t):
    _, private = pair(t, TOKEN=True, DESTROYABLE=False)
    assert refused(t.destroy, private) == 'CKR_ACTION_PROHIBITED'
    assert t.sign(t.mechanism('ECDSA'), private, bytes(32))
    own_vault.stop(BUILD)
    assert t.sign(t.mechanism('ECDSA'), private, bytes(32))


# --- openCryptoki #26, #467: who reaches the socket is trusted with everything ---------------------


AS_NOBODY = '''
import os
os.setgroups([]); os.setgid(%d); os.setuid(%d)
r=lib.C_Initialize(None)
n=U(8); s=(U*8)(); r=r or lib.C_GetSlotList(1,s,ctypes.byref(n))
print(r, n.value if r==0 else 0)
''' % (NOBODY, NOBODY)


@own_vault.needs_daemon
def test_another_user_of_the_machine_sees_no_token(t):
    if os.getuid() != 0:
        return  # nobody else to be
    pair(t, TOKEN=True)
    home = os.environ['HOLDFAST_HOME']
    os.chmod(home, 0o755)
    _, tokens = in_program(AS_NOBODY, HOLDFASTD='/bin/false').split()
    assert tokens == '0', tokens
    _, tokens = in_program(AS_NOBODY.replace('os.set', '0 and os.set'), HOLDFASTD='/bin/false').split()
    assert tokens != '0'  # the same program as the owner of the vault


# --- YubiHSM's pool of 16 sessions, AWS's misleading errors at limits ------------------------------


def test_a_thousand_sessions_are_no_trouble(t):
    _, private = pair(t)
    several = [opened(t) for _ in range(1000)]
    for h in several[::100]:
        t.call('C_SignInit', h, t.mechanism('ECDSA'), private)
    for h in several[::100]:
        out, n = buffer(bytes(64)), ULONG(64)
        t.call('C_Sign', h, buffer(bytes(32)), ULONG(32), out, ctypes.byref(n))
    for h in several:
        t.call('C_CloseSession', h)


# --- SoftHSM #221 and others: a lock-out that a new start forgets ----------------------------------


@own_vault.needs_daemon
def test_a_lockout_outlives_a_restart(t):
    t.call('C_Logout', t.h)
    answers = [refused(t.login, N.CKU_USER, b'wrong pin') for _ in range(12)]
    assert answers[0] == 'CKR_PIN_INCORRECT' and answers[-1] == 'CKR_PIN_LOCKED', answers
    own_vault.stop(BUILD)
    assert refused(t.login, N.CKU_USER, PIN) == 'CKR_PIN_LOCKED'
    t.login(N.CKU_SO)
    t.call('C_InitPIN', t.h, PIN, ULONG(len(PIN)))
    t.call('C_Logout', t.h)
    t.login(N.CKU_USER)


# --- SoftHSM #553, libp11 #156, pkcs11-provider #132: fork, dlclose, exit --------------------------


def test_a_child_of_fork_begins_anew(t):
    _, private = pair(t)
    child = os.fork()
    if child == 0:
        gone = refused(t.sign, t.mechanism('ECDSA'), private, bytes(32)) != 'CKR_OK'
        again = refused(t.call, 'C_Initialize', None) == 'CKR_OK'
        mine = refused(t.call, 'C_Finalize', None) == 'CKR_OK'
        os._exit(0 if gone and again and mine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert t.sign(t.mechanism('ECDSA'), private, bytes(32))


UNLOADED = '''
libc=ctypes.CDLL(None); libc.dlclose.argtypes=[ctypes.c_void_p]
for way in range(4):
    lib.C_Initialize(None)
    n=U(0); assert lib.C_GetSlotList(1,None,ctypes.byref(n))==0 and n.value>0
    if way%2: lib.C_Finalize(None)
    libc.dlclose(lib._handle)
    lib=ctypes.CDLL(sys.argv[1])
lib.C_Initialize(None)
'''


@own_vault.needs_daemon
def test_the_module_can_be_unloaded_and_left_at_exit(t):
    in_program(UNLOADED)


if __name__ == '__main__':
    own_vault.run(BUILD, globals(), sys.argv[2])
