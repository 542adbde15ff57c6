#include <string.h>

#include "secret.h"

#define BLOCK_MIN 4096u  /* bytes of a block, its head included */
#define BLOCK_KEEP 65536u /* a larger block is not kept for the next call */

struct arena_block {
	struct arena_block *next;
	size_t used, size; /* of data */
	_Alignas(16) uint8_t data[];
};

static struct arena_block *block_new(const struct arena *a, size_t n)
{
	size_t size = a->head != NULL ? a->head->size * 2 : BLOCK_MIN;
	struct arena_block *b;

	if (size > 1u << 20)
		size = 1u << 20;
	size = size > sizeof(*b) + n ? size : sizeof(*b) + n;
	b = secret_calloc(1, size);
	if (b != NULL)
		b->size = size - sizeof(*b);
	return b;
}

static struct arena_block *block_for(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;

	if (b != NULL && b->size - b->used >= n)
		return b;
	b = block_new(a, n);
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

	if (keep != NULL && keep->size > BLOCK_KEEP) {
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
