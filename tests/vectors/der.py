"""der.py: as much DER as vectors need: it refuses whatever is not the one encoding."""


class NotDer(Exception):
    """NotDer: these bytes are no DER of that kind."""


def take(data, tag):
    """take returns the content of the first element, which has this tag, and what follows."""
    if len(data) < 2 or data[0] != tag:
        raise NotDer
    n, at = data[1], 2
    if n >= 0x80:
        size = n & 0x7f
        n, at = int.from_bytes(data[2:2 + size], 'big'), 2 + size
        if not 1 <= size <= 3 or n < 0x80 or n < 1 << (8 * (size - 1)):
            raise NotDer
    if len(data) < at + n:
        raise NotDer
    return data[at:at + n], data[at + n:]


def whole(data, tag):
    content, rest = take(data, tag)
    if rest:
        raise NotDer
    return content


def unsigned(data):
    content, rest = take(data, 0x02)
    if not content or content[0] >= 0x80 or (len(content) > 1 and content[0] == 0 and content[1] < 0x80):
        raise NotDer
    return int.from_bytes(content, 'big'), rest


def put(tag, content):
    n = len(content)
    head = bytes([n]) if n < 0x80 else bytes([0x80 | (n.bit_length() + 7) // 8]) + \
        n.to_bytes((n.bit_length() + 7) // 8, 'big')
    return bytes([tag]) + head + content


def signature(data, size):
    """signature makes r and s of an ECDSA-Sig-Value into PKCS#11's r || s of size bytes each."""
    content = whole(data, 0x30)
    r, rest = unsigned(content)
    s, rest = unsigned(rest)
    if rest or max(r, s) >= 1 << (8 * size):
        raise NotDer
    return r.to_bytes(size, 'big') + s.to_bytes(size, 'big')


def public_point(data, ecparams):
    """public_point returns the point of a SubjectPublicKeyInfo on the named curve."""
    algorithm, rest = take(whole(data, 0x30), 0x30)
    if algorithm != bytes.fromhex('06072a8648ce3d0201') + ecparams:
        raise NotDer
    bits = whole(rest, 0x03)
    if not bits or bits[0] != 0:
        raise NotDer
    return bits[1:]
