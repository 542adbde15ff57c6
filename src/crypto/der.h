/* der.h: the few shapes of DER that PKCS#11 attributes have. */
#ifndef HF_DER_H
#define HF_DER_H

#include "bytes.h"

#define DER_INTEGER 0x02
#define DER_BIT_STRING 0x03
#define DER_OCTET_STRING 0x04
#define DER_OID 0x06
#define DER_PRINTABLE_STRING 0x13
#define DER_SEQUENCE 0x30

/* der_take reads one element with that tag; definite, shortest lengths only. */
bool der_take(struct rd *r, uint8_t tag, struct slice *ret);
/* der_whole: s is one such element and nothing else. */
bool der_whole(struct slice s, uint8_t tag, struct slice *ret);
/* der_head writes tag and length. */
void der_head(struct buf *b, uint8_t tag, size_t n);

/* An ECDSA signature: SEQUENCE { INTEGER r, INTEGER s } against r || s of n
 * bytes each. der_sig_split writes 2 * n bytes. */
bool der_sig_split(struct slice der, size_t n, uint8_t *out);
void der_sig_join(struct slice raw, struct buf *b);

#endif
