#!/usr/bin/env python3
"""functions.py BUILD TEST: functions that the other tests of the module have no use for, with a vault of
their own."""
import ctypes
import hashlib
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

import own_vault  # noqa: E402
from p11 import N, ULONG, Params, buffer, refused, template  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
PIN = b'12345678'


def feed(t, verb, data):
    t.call(f'C_{verb}Update', t.h, buffer(data), ULONG(len(data)))


def answer(t, function, *args, room=4096):
    out, n = ctypes.create_string_buffer(room), ULONG(room)
    t.call(function, t.h, *args, out, ctypes.byref(n))
    return out.raw[:n.value]


def aes(t):
    return t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=bytes(16), ENCRYPT=True, DECRYPT=True,
                    SIGN=True, VERIFY=True)


def test_two_operations_take_a_part_at_once(t):
    key, data = aes(t), bytes(range(32))
    cbc, cmac = t.mechanism('AES_CBC', Params('x', bytes(16))), t.mechanism('AES_CMAC')
    mac = t.sign(cmac, key, data)
    part = (buffer(data), ULONG(len(data)))
    t.call('C_EncryptInit', t.h, cbc, key)
    t.call('C_DigestInit', t.h, t.mechanism('SHA256'))
    sealed = answer(t, 'C_DigestEncryptUpdate', *part) + answer(t, 'C_EncryptFinal')
    assert answer(t, 'C_DigestFinal') == hashlib.sha256(data).digest()
    t.call('C_EncryptInit', t.h, cbc, key)
    t.call('C_SignInit', t.h, cmac, key)
    assert answer(t, 'C_SignEncryptUpdate', *part) + answer(t, 'C_EncryptFinal') == sealed
    assert answer(t, 'C_SignFinal') == mac
    back = (buffer(sealed), ULONG(len(sealed)))
    t.call('C_DecryptInit', t.h, cbc, key)
    t.call('C_DigestInit', t.h, t.mechanism('SHA256'))
    assert answer(t, 'C_DecryptDigestUpdate', *back) + answer(t, 'C_DecryptFinal') == data
    assert answer(t, 'C_DigestFinal') == hashlib.sha256(data).digest()
    t.call('C_DecryptInit', t.h, cbc, key)
    t.call('C_VerifyInit', t.h, cmac, key)
    assert answer(t, 'C_DecryptVerifyUpdate', *back) + answer(t, 'C_DecryptFinal') == data
    t.call('C_VerifyFinal', t.h, buffer(mac), ULONG(len(mac)))


def test_parts_are_digested_signed_and_verified(t):
    key, m = aes(t), t.mechanism('AES_CMAC')
    t.call('C_DigestInit', t.h, t.mechanism('SHA256'))
    feed(t, 'Digest', b'one ')
    feed(t, 'Digest', b'two')
    assert answer(t, 'C_DigestFinal') == t.digest(t.mechanism('SHA256'), b'one two')
    t.call('C_SignInit', t.h, m, key)
    feed(t, 'Sign', b'one ')
    feed(t, 'Sign', b'two')
    mac = answer(t, 'C_SignFinal')
    assert mac == t.sign(m, key, b'one two')
    t.call('C_VerifyInit', t.h, m, key)
    feed(t, 'Verify', b'one ')
    feed(t, 'Verify', b'two')
    t.call('C_VerifyFinal', t.h, buffer(mac), ULONG(len(mac)))


def test_a_signature_gives_its_data_back(t):
    handles = ULONG(0), ULONG(0)
    t.call('C_GenerateKeyPair', t.h, t.mechanism('RSA_PKCS_KEY_PAIR_GEN'),
           *template({'MODULUS_BITS': 2048, 'VERIFY_RECOVER': True, 'TOKEN': False}),
           *template({'SIGN_RECOVER': True, 'TOKEN': False, 'PRIVATE': False}), *map(ctypes.byref, handles))
    t.call('C_SignRecoverInit', t.h, t.mechanism('RSA_PKCS'), handles[1])
    signature = answer(t, 'C_SignRecover', buffer(b'data'), ULONG(4))
    t.call('C_VerifyRecoverInit', t.h, t.mechanism('RSA_PKCS'), handles[0])
    assert answer(t, 'C_VerifyRecover', buffer(signature), ULONG(len(signature))) == b'data'
    t.call('C_VerifyRecoverInit', t.h, t.mechanism('RSA_PKCS'), handles[0])
    bad = signature[:-1] + bytes([signature[-1] ^ 1])
    assert refused(answer, t, 'C_VerifyRecover', buffer(bad), ULONG(len(bad))) == 'CKR_SIGNATURE_INVALID'


def test_library_slot_token_and_sessions_tell_of_themselves(t):
    room = buffer(bytes(512))
    t.call('C_GetInfo', room)
    assert room.raw[:2] == bytes([2, 40])
    t.call('C_GetSlotInfo', t.slot, room)
    t.call('C_GetTokenInfo', t.slot, room)
    assert room.raw[:32] == b'vectors'.ljust(32)
    lists = ctypes.c_void_p(0)
    t.call('C_GetFunctionList', ctypes.byref(lists))
    n = ULONG(0)
    t.call('C_GetInterfaceList', None, ctypes.byref(n))
    assert n.value == 3
    t.call('C_GetInterface', None, None, ctypes.byref(lists), ULONG(0))
    info = (ULONG * 4)()
    t.call('C_GetSessionInfo', t.h, info)
    assert info[0] == t.slot.value and info[1] == N.CKS_RW_USER_FUNCTIONS
    size = ULONG(0)
    t.call('C_GetObjectSize', t.h, aes(t), ctypes.byref(size))
    assert size.value > 16
    for function in ('C_GetFunctionStatus', 'C_CancelFunction'):
        assert refused(t.call, function, t.h) == 'CKR_FUNCTION_NOT_PARALLEL'


def test_lists_are_counted_before_they_are_told(t):
    for function, *first in (('C_GetSlotList', 0), ('C_GetMechanismList', t.slot)):
        n = ULONG(0)
        t.call(function, *first, None, ctypes.byref(n))
        there, room = n.value, (ULONG * n.value)()
        n.value -= 1
        assert there > 0 and refused(t.call, function, *first, room, ctypes.byref(n)) == 'CKR_BUFFER_TOO_SMALL'
        assert n.value == there
        t.call(function, *first, room, ctypes.byref(n))
        assert n.value == there == len(set(room))
    assert refused(t.call, 'C_GetMechanismList', ULONG(9999), None, ctypes.byref(n)) == 'CKR_SLOT_ID_INVALID'


def test_pins_and_sessions_change(t):
    t.call('C_SetPIN', t.h, PIN, ULONG(8), b'87654321', ULONG(8))
    t.call('C_Logout', t.h)
    assert refused(t.login, N.CKU_USER) == 'CKR_PIN_INCORRECT'
    t.call('C_LoginUser', t.h, ULONG(N.CKU_USER), b'87654321', ULONG(8), None, ULONG(0))
    other = ULONG(0)
    t.call('C_OpenSession', t.slot, ULONG(N.CKF_SERIAL_SESSION), None, None, ctypes.byref(other))
    t.call('C_CloseSession', other)
    assert refused(t.call, 'C_CloseSession', other) == 'CKR_SESSION_HANDLE_INVALID'
    t.call('C_CloseAllSessions', t.slot)
    assert refused(t.call, 'C_Logout', t.h) == 'CKR_SESSION_HANDLE_INVALID'


def pin(value):
    """pin is an argument pair."""
    return value, ULONG(len(value or b''))


def init_token(t, so=PIN, label=b'anew'.ljust(32)):
    return refused(t.call, 'C_InitToken', t.slot, *pin(so), label)


def test_a_pin_that_is_not_there_is_an_argument_and_no_guess(t):
    t.call('C_Logout', t.h)
    nothing = None, ULONG(0)
    for _ in range(20):
        for who in (N.CKU_USER, N.CKU_SO):
            assert refused(t.call, 'C_Login', t.h, ULONG(who), *nothing) == 'CKR_ARGUMENTS_BAD'
            assert refused(t.call, 'C_Login', t.h, ULONG(who), None, ULONG(8)) == 'CKR_ARGUMENTS_BAD'
            assert refused(t.call, 'C_LoginUser', t.h, ULONG(who), *nothing, None, ULONG(0)) == 'CKR_ARGUMENTS_BAD'
        assert refused(t.call, 'C_SetPIN', t.h, *nothing, *pin(PIN)) == 'CKR_ARGUMENTS_BAD'
        assert refused(t.call, 'C_SetPIN', t.h, *pin(PIN), *nothing) == 'CKR_ARGUMENTS_BAD'
    t.login(N.CKU_SO)  # nobody's tries were used up
    assert refused(t.call, 'C_InitPIN', t.h, *nothing) == 'CKR_ARGUMENTS_BAD'
    t.call('C_Logout', t.h)
    t.login(N.CKU_USER)
    assert refused(t.call, 'C_Login', t.h, ULONG(N.CKU_CONTEXT_SPECIFIC), *nothing) != 'CKR_OK'
    t.call('C_CloseAllSessions', t.slot)
    assert init_token(t, so=None) == 'CKR_ARGUMENTS_BAD'
    assert init_token(t, label=None) == 'CKR_ARGUMENTS_BAD'


def test_a_token_begins_anew_when_nobody_uses_it(t):
    kept = t.create(CLASS=N.CKO_DATA, TOKEN=True, LABEL=b'old')
    assert init_token(t) == 'CKR_SESSION_EXISTS'
    assert t.get(kept, 'LABEL') == b'old'
    t.call('C_CloseAllSessions', t.slot)
    assert init_token(t, so=b'87654321') == 'CKR_PIN_INCORRECT'
    assert init_token(t, so=bytes(100000)) == 'CKR_PIN_LEN_RANGE'
    assert init_token(t, label=b'\xff' * 32) == 'CKR_ARGUMENTS_BAD'
    assert init_token(t) == 'CKR_OK'
    assert refused(t.call, 'C_InitToken', ULONG(9999), *pin(PIN), b'anew'.ljust(32)) == 'CKR_SLOT_ID_INVALID'
    t.call('C_OpenSession', t.slot, ULONG(N.CKF_SERIAL_SESSION | N.CKF_RW_SESSION), None, None,
           ctypes.byref(t.h))
    assert refused(t.get, kept, 'LABEL') == 'CKR_OBJECT_HANDLE_INVALID'
    assert refused(t.login, N.CKU_USER) == 'CKR_USER_PIN_NOT_INITIALIZED'
    t.login(N.CKU_SO)


def test_who_gives_and_who_changes_a_pin(t):
    new = pin(b'87654321')
    assert refused(t.call, 'C_InitPIN', t.h, *new) == 'CKR_USER_NOT_LOGGED_IN'
    for short in (b'', b'1'):
        assert refused(t.call, 'C_SetPIN', t.h, *pin(PIN), *pin(short)) == 'CKR_PIN_LEN_RANGE'
    assert refused(t.call, 'C_SetPIN', t.h, *pin(PIN), *pin(bytes(100000))) == 'CKR_PIN_LEN_RANGE'
    assert refused(t.call, 'C_SetPIN', t.h, *new, *new) == 'CKR_PIN_INCORRECT'
    t.call('C_CloseSession', t.h)
    t.call('C_OpenSession', t.slot, ULONG(N.CKF_SERIAL_SESSION), None, None, ctypes.byref(t.h))
    assert refused(t.call, 'C_SetPIN', t.h, *pin(PIN), *new) == 'CKR_SESSION_READ_ONLY'
    assert refused(t.login, N.CKU_SO) == 'CKR_SESSION_READ_ONLY_EXISTS'
    t.call('C_CloseSession', t.h)
    t.call('C_OpenSession', t.slot, ULONG(N.CKF_SERIAL_SESSION | N.CKF_RW_SESSION), None, None,
           ctypes.byref(t.h))
    t.call('C_SetPIN', t.h, *pin(PIN), *new)  # the user's, while nobody is logged in
    t.login(N.CKU_SO)
    for short in (b'', b'1', bytes(100000)):
        assert refused(t.call, 'C_InitPIN', t.h, *pin(short)) == 'CKR_PIN_LEN_RANGE'
    t.call('C_SetPIN', t.h, *pin(PIN), *pin(b'13572468'))  # his own
    t.call('C_InitPIN', t.h, *pin(PIN))
    t.call('C_Logout', t.h)
    assert refused(t.login, N.CKU_SO) == 'CKR_PIN_INCORRECT'
    t.login(N.CKU_SO, b'13572468')
    t.call('C_Logout', t.h)
    t.login(N.CKU_USER)


@own_vault.needs_daemon
def test_users_log_in_by_their_names(t):
    pins = os.environ['HOLDFAST_HOME'] + '/pins'
    with open(pins, 'wb') as f:
        f.write(PIN + b'\n')
    subprocess.run([f'{BUILD}/holdfast', 'user', 'set', 'anna', '--role', 'crypto-user', '--so-pin-file', pins,
                    '--pin-file', pins], check=True)

    def login(who, name, secret=PIN):
        return refused(t.call, 'C_LoginUser', t.h, ULONG(who), *pin(secret), *pin(name))

    assert login(N.CKU_USER, b'anna') == 'CKR_USER_ANOTHER_ALREADY_LOGGED_IN'
    t.call('C_Logout', t.h)
    assert login(N.CKU_USER, b'nobody') == 'CKR_USER_TYPE_INVALID'
    assert login(N.CKU_SO, b'anna') == 'CKR_USER_TYPE_INVALID'
    assert login(9, b'anna') == 'CKR_USER_TYPE_INVALID'
    for name in (b'\xff', b'a' * 100000):
        assert login(N.CKU_USER, name) == 'CKR_ARGUMENTS_BAD'
    assert refused(t.call, 'C_LoginUser', t.h, ULONG(N.CKU_USER), *pin(PIN), None, ULONG(4)) == 'CKR_ARGUMENTS_BAD'
    assert login(N.CKU_USER, b'anna', b'87654321') == 'CKR_PIN_INCORRECT'
    assert login(N.CKU_USER, b'anna', b'') == 'CKR_PIN_INCORRECT'
    assert login(N.CKU_USER, b'anna') == 'CKR_OK'
    assert refused(t.create, CLASS=N.CKO_DATA, TOKEN=True) != 'CKR_OK'  # who uses keys keeps nothing
    t.call('C_Logout', t.h)
    t.login(N.CKU_USER, b'anna:' + PIN)


def test_who_waits_for_a_slot_is_woken_by_the_end(t):
    slot, said = ULONG(0), []
    assert refused(t.call, 'C_WaitForSlotEvent', ULONG(N.CKF_DONT_BLOCK), ctypes.byref(slot), None) == \
        'CKR_NO_EVENT'
    begun = threading.Event()

    def wait():
        begun.set()
        said.append(refused(t.call, 'C_WaitForSlotEvent', ULONG(0), ctypes.byref(slot), None))

    waiter = threading.Thread(target=wait)
    waiter.start()
    begun.wait()
    t.call('C_Finalize', None)
    waiter.join()
    assert said == ['CKR_CRYPTOKI_NOT_INITIALIZED']


def test_the_end_comes_before_calls_that_come_later(t):
    said = []

    def work():
        room = ctypes.create_string_buffer(1 << 18)
        while (rv := refused(t.call, 'C_GenerateRandom', t.h, room, ULONG(len(room)))) == 'CKR_OK':
            pass
        said.append(rv)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for x in threads:
        x.start()
    time.sleep(0.3)
    t.call('C_Finalize', None)
    for x in threads:
        x.join()
    assert said == ['CKR_CRYPTOKI_NOT_INITIALIZED'] * 12, said


own_vault.run(BUILD, globals(), sys.argv[2])
