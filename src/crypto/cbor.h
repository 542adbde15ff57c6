/* cbor.h: as much of CBOR (RFC 8949) as a CWT needs: numbers, strings, arrays, maps,
 * tags; definite and shortest lengths only. */
#ifndef HF_CBOR_H
#define HF_CBOR_H

#include "bytes.h"

enum cbor_major {
	CBOR_UINT = 0, CBOR_NINT = 1, CBOR_BYTES = 2, CBOR_TEXT = 3, CBOR_ARRAY = 4,
	CBOR_MAP = 5, CBOR_TAG = 6, CBOR_SIMPLE = 7
};
#define CBOR_FALSE 20u /* of CBOR_SIMPLE */
#define CBOR_TRUE 21u

void cbor_head(struct buf *b, enum cbor_major major, uint64_t n);
void cbor_int(struct buf *b, int64_t v);
/* cbor_string: major is CBOR_BYTES or CBOR_TEXT. */
void cbor_string(struct buf *b, enum cbor_major major, struct slice s);

/* cbor_take reads a head of that major type; nothing else is skipped. */
bool cbor_take(struct rd *r, enum cbor_major major, uint64_t *ret);
bool cbor_take_int(struct rd *r, int64_t *ret);
bool cbor_take_string(struct rd *r, enum cbor_major major, struct slice *ret);

#endif
