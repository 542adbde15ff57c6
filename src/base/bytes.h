/* bytes.h: slices, and the one reader and the one writer of encoded bytes.
 *
 * Numbers are big-endian. A "bytes" field is a u32 length and then the bytes. */
#ifndef HF_BYTES_H
#define HF_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* struct slice is a borrowed view; nobody keeps one past its owner. p may be
 * NULL only when n is 0. */
struct slice {
	const uint8_t *p;
	size_t n;
};

#define SLICE_NONE ((struct slice){ 0 })
#define SLICE_OF(array) ((struct slice){ (array), sizeof(array) })
#define SLICE_STR(literal)                                                     \
	((struct slice){ (const uint8_t *)("" literal), sizeof(literal) - 1 })

/* slice_str views a NUL-terminated string (without its NUL). */
struct slice slice_str(const char *s);

/* slice_eq compares public data; not for secrets (see secret_eq). */
bool slice_eq(struct slice a, struct slice b);

/* slice_cmp orders public data bytewise, the shorter first (as memcmp). */
int slice_cmp(struct slice a, struct slice b);

/* --- reading ---------------------------------------------------------- */

/* struct rd reads from the front of a slice. Each rd_ function takes its
 * bytes and returns true, or returns false and leaves the reader unchanged. */
struct rd {
	const uint8_t *p;
	size_t n;
	struct slice aside; /* the bytes of the field whose length is RD_ASIDE; once */
};
#define RD_ASIDE UINT32_MAX

struct rd rd_of(struct slice s);
bool rd_take(struct rd *r, size_t n, const uint8_t **ret);
bool rd_u8(struct rd *r, uint8_t *ret);
bool rd_u16(struct rd *r, uint16_t *ret);
bool rd_u32(struct rd *r, uint32_t *ret);
bool rd_u64(struct rd *r, uint64_t *ret);
/* rd_bool accepts 0 and 1 only. */
bool rd_bool(struct rd *r, bool *ret);
/* rd_bytes reads a u32 length, at most max, and a view of that many bytes. */
bool rd_bytes(struct rd *r, size_t max, struct slice *ret);
/* rd_child is rd_bytes that yields a reader. */
bool rd_child(struct rd *r, size_t max, struct rd *ret);
/* rd_done: nothing is left. Every decoder ends with it. */
bool rd_done(const struct rd *r);

/* --- writing ---------------------------------------------------------- */

/* struct buf grows up to max bytes, in protected memory (see secret.h), and
 * has a sticky error: write all, then check once with buf_err. Bytes are wiped
 * when it grows and when it is released. */
struct buf {
	uint8_t *p;
	size_t n;   /* used */
	size_t cap; /* allocated */
	size_t max; /* limit */
	size_t lent; /* up to here bytes are lent */
	enum hf_err err;
};

#define BUF_MAX(limit) ((struct buf){ .max = (limit) })

void buf_done(struct buf *b); /* wipes, releases and empties; NULL-safe */
void buf_reset(struct buf *b); /* wipes and empties, keeps memory and max */
struct slice buf_slice(const struct buf *b);
enum hf_err buf_err(const struct buf *b) HF_MUST_CHECK;

void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_bool(struct buf *b, bool v);
void buf_raw(struct buf *b, struct slice s);
void buf_bytes(struct buf *b, struct slice s); /* u32 length, then s */
/* buf_add makes room for n bytes at the end, zeroed, counts them as used and
 * returns where they are (NULL after an error). */
uint8_t *buf_add(struct buf *b, size_t n);
/* buf_lend lends room for n bytes that begin `gap` bytes behind the end, not counted as used. A
 * buf_raw or buf_bytes of them that comes to that very place does not copy them. What is not
 * appended so is wiped by the next buf_cut. NULL after an error. */
uint8_t *buf_lend(struct buf *b, size_t gap, size_t n);
/* buf_cut drops bytes from the end so that at most n remain, and what was lent. */
void buf_cut(struct buf *b, size_t n);
/* buf_put_u32 overwrites four bytes at offset at, which exist already. */
void buf_put_u32(struct buf *b, size_t at, uint32_t v);

/* put_u32 and friends store big-endian; get_ load. */
static inline void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_u32(uint8_t *p, uint32_t v)
{
	put_u16(p, (uint16_t)(v >> 16));
	put_u16(p + 2, (uint16_t)v);
}

static inline void put_u64(uint8_t *p, uint64_t v)
{
	put_u32(p, (uint32_t)(v >> 32));
	put_u32(p + 4, (uint32_t)v);
}

static inline uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t get_u64(const uint8_t *p)
{
	return (uint64_t)get_u32(p) << 32 | get_u32(p + 4);
}

/* hex_encode writes 2 * s.n digits and a NUL into out (2 * s.n + 1 bytes). */
void hex_encode(struct slice s, char *out);
/* hex_decode writes strlen(s) / 2 bytes; false if s is no even run of digits
 * or would not fit into max bytes. */
bool hex_decode(const char *s, uint8_t *out, size_t max, size_t *ret_n);

#endif
