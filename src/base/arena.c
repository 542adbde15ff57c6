#include <string.h>

#include "secret.h"

#define BLOCK_MIN 4096u   /* bytes of a block, its head included */
#define BLOCK_MAX 65536u
#define OWN_BLOCK 16384u  /* from here on an allocation has a block of its own */

struct arena_block {
	struct arena_block *next;
	size_t used, size; /* of data */
	_Alignas(16) uint8_t data[];
};

static struct arena_block *block_new(size_t size)
{
	struct arena_block *b = secret_calloc(1, size);

	if (b != NULL)
		b->size = size - sizeof(*b);
	return b;
}

/* own_block goes behind the head, whose room stays in use. */
static struct arena_block *own_block(struct arena *a, size_t n)
{
	struct arena_block **at = a->head != NULL ? &a->head->next : &a->head;
	struct arena_block *b = block_new(sizeof(*b) + n);

	if (b == NULL)
		return NULL;
	b->next = *at;
	*at = b;
	return b;
}

static struct arena_block *block_for(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;
	size_t size = BLOCK_MIN;

	if (b != NULL && b->size - b->used >= n)
		return b;
	if (n >= OWN_BLOCK)
		return own_block(a, n);
	while (size < BLOCK_MAX && (size < a->used || size < sizeof(*b) + n))
		size *= 2;
	b = block_new(size);
	if (b == NULL)
		return NULL;
	b->next = a->head;
	a->head = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
	struct arena_block *b;
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = bytes > 0 ? (bytes + 15) & ~(size_t)15 : 16;
	if (a->max != 0 && (a->used > a->max || bytes > a->max - a->used))
		return NULL;
	b = block_for(a, bytes);
	if (b == NULL)
		return NULL;
	p = b->data + b->used;
	b->used += bytes;
	a->used += bytes;
	return p;
}

enum hf_err arena_dup(struct arena *a, struct slice s, struct slice *ret)
{
	uint8_t *p = arena_alloc(a, s.n, 1);

	if (p == NULL)
		return HF_E_SECRET_MEMORY;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	*ret = (struct slice){ p, s.n };
	return HF_OK;
}

static void free_from(struct arena_block *b)
{
	while (b != NULL) {
		struct arena_block *next = b->next;

		secret_free(b);
		b = next;
	}
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = a->head;

	if (keep != NULL && keep->size > BLOCK_MAX) {
		arena_done(a);
		return;
	}
	if (keep != NULL) {
		free_from(keep->next);
		keep->next = NULL;
		secret_wipe(keep->data, keep->used);
		keep->used = 0;
	}
	a->used = 0;
}

void arena_done(struct arena *a)
{
	free_from(a->head);
	a->head = NULL;
	a->used = 0;
}
