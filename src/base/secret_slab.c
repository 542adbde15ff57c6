/* Protected memory, the middle: slabs.
 *
 *   chunk (a run of one unit) | slab of class 3 | slab of class 17 | free | ...
 *   slab                      | block | block | block | not carved yet ... |
 *
 * Each class has a lock and a list of the slabs that have a free block. A slab
 * that is wholly free goes back to its chunk, and a chunk to the kernel, except
 * one of each that is kept for the next time. */
#include "secret_slab.h"

#include <stdlib.h>
#include <string.h>

#include "lock.h"
#include "sanitize.h"
#include "secret_pages.h"

#define PAGE ((size_t)4096)
#define CHUNK_PAGES (RUN_MAX / PAGE)
#define SLAB_PAGES_MIN 4
#define CHUNK_SLABS (CHUNK_PAGES / SLAB_PAGES_MIN)

struct slab {
	struct slab *next, *prev; /* of its class, while a block is free */
	struct chunk *chunk;
	uint8_t *p;
	void *free;                   /* each free block begins with the next one */
	uint32_t carved, used, total; /* blocks */
	uint16_t pages;               /* 0: this struct is not in use */
};

struct chunk {
	struct chunk *next, *prev;
	struct run *run;
	size_t free_pages;
	struct slab slab[CHUNK_SLABS];
	uint8_t owner[CHUNK_PAGES]; /* place in slab[], from 1; 0: free page */
};

struct class {
	struct mutex lock;
	struct slab *head;
};

static struct class classes[SLAB_CLASSES];

static struct {
	struct mutex lock;
	struct chunk *head; /* chunks with room for a slab */
	bool spare;         /* one of them is wholly free */
} chunks = { .lock = MUTEX_INIT };

/* --- lists ---------------------------------------------------------------- */

static void slab_link(struct class *k, struct slab *s)
{
	s->prev = NULL;
	s->next = k->head;
	if (s->next != NULL)
		s->next->prev = s;
	k->head = s;
}

static void slab_unlink(struct class *k, struct slab *s)
{
	if (s->next != NULL)
		s->next->prev = s->prev;
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		k->head = s->next;
}

static void chunk_link(struct chunk *c)
{
	c->prev = NULL;
	c->next = chunks.head;
	if (c->next != NULL)
		c->next->prev = c;
	chunks.head = c;
}

static void chunk_unlink(struct chunk *c)
{
	if (c->next != NULL)
		c->next->prev = c->prev;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		chunks.head = c->next;
}

/* --- chunks: pages for slabs; chunks.lock is held ------------------------- */

static struct chunk *chunk_new(void)
{
	struct chunk *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->run = pages_map(RUN_MAX);
	if (c->run == NULL) {
		free(c);
		return NULL;
	}
	c->run->chunk = c;
	c->free_pages = CHUNK_PAGES;
	sanitize_close(c->run->p, RUN_MAX);
	chunk_link(c);
	return c;
}

static bool chunk_find(const struct chunk *c, size_t n, size_t *ret)
{
	size_t have = 0;

	if (c->free_pages < n)
		return false;
	for (size_t i = 0; i < CHUNK_PAGES; i++) {
		have = c->owner[i] == 0 ? have + 1 : 0;
		if (have == n) {
			*ret = i + 1 - n;
			return true;
		}
	}
	return false;
}

/* chunk_slab makes a slab of n pages from page `at`. */
static struct slab *chunk_slab(struct chunk *c, size_t at, size_t n)
{
	size_t i = 0;

	if (c->free_pages == CHUNK_PAGES)
		chunks.spare = false;
	while (c->slab[i].pages != 0)
		i++;
	memset(c->owner + at, (int)i + 1, n);
	c->free_pages -= n;
	if (c->free_pages < SLAB_PAGES_MIN)
		chunk_unlink(c);
	c->slab[i] = (struct slab){
		.chunk = c, .p = c->run->p + at * PAGE, .pages = (uint16_t)n
	};
	return &c->slab[i];
}

static struct slab *slab_pages(size_t n)
{
	struct chunk *c;
	size_t at = 0;

	for (c = chunks.head; c != NULL; c = c->next)
		if (chunk_find(c, n, &at))
			return chunk_slab(c, at, n);
	c = chunk_new();
	return c != NULL ? chunk_slab(c, 0, n) : NULL;
}

static void chunk_take_back(struct slab *s)
{
	struct chunk *c = s->chunk;

	memset(c->owner + (size_t)(s->p - c->run->p) / PAGE, 0, s->pages);
	if (c->free_pages < SLAB_PAGES_MIN)
		chunk_link(c);
	c->free_pages += s->pages;
	s->pages = 0;
	if (c->free_pages < CHUNK_PAGES)
		return;
	if (!chunks.spare) {
		chunks.spare = true;
		return;
	}
	chunk_unlink(c);
	pages_unmap(c->run);
	free(c);
}

/* --- slabs: the class's lock is held -------------------------------------- */

/* link_get and link_put use a free block's first bytes. */
static void *link_get(void *block)
{
	void *next;

	sanitize_open(block, sizeof(next));
	memcpy(&next, block, sizeof(next));
	memset(block, 0, sizeof(next));
	sanitize_close(block, sizeof(next));
	return next;
}

static void link_put(void *block, void *next)
{
	sanitize_open(block, sizeof(next));
	memcpy(block, &next, sizeof(next));
	sanitize_close(block, sizeof(next));
}

static struct slab *slab_new(unsigned c)
{
	size_t size = slab_size(c), pages = (size * 4 + PAGE - 1) / PAGE;
	struct slab *s;

	mutex_lock(&chunks.lock);
	s = slab_pages(pages > SLAB_PAGES_MIN ? pages : SLAB_PAGES_MIN);
	mutex_unlock(&chunks.lock);
	if (s == NULL)
		return NULL;
	s->total = (uint32_t)(s->pages * PAGE / size);
	slab_link(&classes[c], s);
	return s;
}

/* Free blocks are zero for the next class, too. */
static void slab_drop(unsigned c, struct slab *s)
{
	void *block = s->free;

	while (block != NULL)
		block = link_get(block);
	slab_unlink(&classes[c], s);
	mutex_lock(&chunks.lock);
	chunk_take_back(s);
	mutex_unlock(&chunks.lock);
}

static void *block_take(unsigned c, struct slab *s)
{
	void *block = s->free;

	if (block != NULL)
		s->free = link_get(block);
	else
		block = s->p + slab_size(c) * s->carved++;
	s->used++;
	if (s->used == s->total)
		slab_unlink(&classes[c], s);
	return block;
}

static struct slab *slab_of(const void *block)
{
	struct run *r = pages_run(block);
	size_t page = (size_t)((const uint8_t *)block - r->p) / PAGE;

	return &r->chunk->slab[r->chunk->owner[page] - 1];
}

static void block_give(unsigned c, void *block)
{
	struct class *k = &classes[c];
	struct slab *s = slab_of(block);

	link_put(block, s->free);
	s->free = block;
	if (s->used == s->total)
		slab_link(k, s);
	s->used--;
	if (s->used == 0 && (s->next != NULL || s->prev != NULL))
		slab_drop(c, s);
}

/* --- the interface -------------------------------------------------------- */

void slab_init(void)
{
	for (unsigned c = 0; c < SLAB_CLASSES; c++)
		mutex_init(&classes[c].lock);
}

size_t slab_take(unsigned c, void **out, size_t n)
{
	size_t got = 0;
	MUTEX_HOLD(&classes[c].lock);

	while (got < n) {
		struct slab *s = classes[c].head;

		if (s == NULL && got > 0)
			break; /* enough for now */
		if (s == NULL)
			s = slab_new(c);
		if (s == NULL)
			break;
		out[got++] = block_take(c, s);
	}
	return got;
}

void slab_give(unsigned c, void *const *blocks, size_t n)
{
	MUTEX_HOLD(&classes[c].lock);

	for (size_t i = 0; i < n; i++)
		block_give(c, blocks[i]);
}

void slab_before_fork(void)
{
	for (unsigned c = 0; c < SLAB_CLASSES; c++)
		mutex_lock(&classes[c].lock);
	mutex_lock(&chunks.lock);
}

void slab_after_fork(void)
{
	mutex_unlock(&chunks.lock);
	for (unsigned c = 0; c < SLAB_CLASSES; c++)
		mutex_unlock(&classes[c].lock);
}

void slab_forget(void)
{
	for (unsigned c = 0; c < SLAB_CLASSES; c++)
		classes[c].head = NULL;
	chunks.head = NULL;
	chunks.spare = false;
}
