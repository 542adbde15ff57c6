/* Protected memory, the upper half: the general allocator.
 *
 * A small block comes from the calling thread's own stack of free blocks of its
 * class, filled from and spilled to the slabs by halves. A large block is a run
 * of its own; some freed ones are stored for reuse.
 *
 * The mark of a block (region.marks, at its first grain) is USED and its class
 * while it is handed out. So a pointer that is no block of ours, or is freed
 * twice, is noticed: going on would give one key's memory to another. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault_now.h"
#include "lock.h"
#include "sanitize.h"
#include "secret_pages.h"
#include "secret_slab.h"

#define USED 0x80u
#define BIG 0x7fu /* stands for a class */

#define CACHED_CLASSES 36 /* up to 16 KiB */
#define STACK_MAX 64
#define STACK_BYTES 16384u

#define STORE_BYTES ((size_t)16 << 20)    /* of freed big blocks */
#define STORE_BLOCK_MAX ((size_t)4 << 20) /* a larger one goes back at once */

struct stack {
	uint16_t n, max;
	void *block[STACK_MAX];
};

struct cache {
	struct stack stack[CACHED_CLASSES];
};

static _Thread_local struct cache *mine;

static struct {
	struct mutex lock;
	bool inited;
	_Atomic bool open;
	_Atomic bool keyed; /* key is valid */
	pthread_key_t key;  /* its destructor empties a thread's cache */
} st = { .lock = MUTEX_INIT };

static struct {
	struct mutex lock;
	struct run *head;
	size_t bytes;
} store = { .lock = MUTEX_INIT };

/* --- start, threads, fork --------------------------------------------------- */

static uint16_t stack_max(unsigned c)
{
	size_t n = STACK_BYTES / slab_size(c);

	return (uint16_t)(n < 2 ? 2 : n > STACK_MAX ? STACK_MAX : n);
}

static void cache_forget(struct cache *k)
{
	for (unsigned c = 0; c < CACHED_CLASSES; c++)
		k->stack[c].n = 0;
}

static void cache_drop(void *p)
{
	struct cache *k = p;

	mine = NULL;
	for (unsigned c = 0; c < CACHED_CLASSES; c++)
		slab_give(c, k->stack[c].block, k->stack[c].n);
	free(k);
}

static void before_fork(void)
{
	mutex_lock(&st.lock);
	mutex_lock(&store.lock);
	slab_before_fork();
	pages_before_fork();
}

static void unlock_all(void)
{
	slab_after_fork();
	mutex_unlock(&store.lock);
	mutex_unlock(&st.lock);
}

static void after_fork(void)
{
	pages_after_fork();
	unlock_all();
}

/* Other threads' caches are lost to a child that has the pages: it is small,
 * and they may have been in the midst of a change. */
static void forked(void)
{
	if (!pages_forked()) {
		slab_forget();
		store.head = NULL;
		store.bytes = 0;
		if (mine != NULL)
			cache_forget(mine);
		atomic_store(&st.open, false);
	}
	unlock_all();
}

/* The hooks outlive a region that a child lost. */
static enum hf_err hooks(void)
{
	if (atomic_load(&st.keyed))
		return HF_OK;
	if (pthread_key_create(&st.key, cache_drop) != 0)
		return HF_E_MEMORY;
	if (pthread_atfork(before_fork, after_fork, forked) != 0) {
		(void)pthread_key_delete(st.key);
		return HF_E_MEMORY;
	}
	atomic_store(&st.keyed, true);
	return HF_OK;
}

static enum hf_err start(size_t limit, bool strict)
{
	MUTEX_HOLD(&st.lock);

	if (!st.inited)
		slab_init();
	st.inited = true;
	TRY(hooks());
	TRY(pages_open(limit, strict));
	atomic_store(&st.open, true);
	return HF_OK;
}

static bool started(void)
{
	return atomic_load(&st.open) || start(0, false) == HF_OK;
}

enum hf_err secret_init(size_t limit)
{
	return start(limit, true);
}

/* A module that is unloaded leaves no destructor behind. */
__attribute__((destructor)) static void unload(void)
{
	if (atomic_exchange(&st.keyed, false))
		(void)pthread_key_delete(st.key);
}

/* --- marks ------------------------------------------------------------------ */

__attribute__((noreturn, cold)) static void misuse(void)
{
	static const char text[] = "secret memory: not a block in use (freed twice?)\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n;
	abort();
}

static uint8_t *mark_of(const void *p)
{
	return region.marks + (pages_offset(p) >> GRAIN_BITS);
}

/* class_of checks that p is a block in use. */
static unsigned class_of(const void *p)
{
	unsigned m;

	if (!pages_in(p) || (uintptr_t)p % 16 != 0)
		misuse();
	m = *mark_of(p);
	if ((m & USED) == 0)
		misuse();
	return m & ~USED;
}

/* --- small blocks ------------------------------------------------------------- */

static struct cache *cache_new(void)
{
	struct cache *k;

	if (!atomic_load(&st.keyed))
		return NULL;
	k = calloc(1, sizeof(*k));
	if (k != NULL && pthread_setspecific(st.key, k) != 0) {
		free(k);
		return NULL;
	}
	for (unsigned c = 0; k != NULL && c < CACHED_CLASSES; c++)
		k->stack[c].max = stack_max(c);
	mine = k;
	return k;
}

static __attribute__((noinline)) void *small_slow(unsigned c)
{
	struct cache *k = mine;
	struct stack *s;
	void *one;

	if (!started())
		return NULL;
	if (k == NULL && c < CACHED_CLASSES)
		k = cache_new();
	if (k == NULL || c >= CACHED_CLASSES)
		return slab_take(c, &one, 1) == 1 ? one : NULL;
	s = &k->stack[c];
	s->n = (uint16_t)slab_take(c, s->block, s->max / 2);
	return s->n > 0 ? s->block[--s->n] : NULL;
}

static void *small_new(size_t n)
{
	unsigned c = slab_class(n > 0 ? n : 1);
	struct cache *k = mine;
	void *p;

	if (k != NULL && c < CACHED_CLASSES && k->stack[c].n > 0)
		p = k->stack[c].block[--k->stack[c].n];
	else
		p = small_slow(c);
	if (p == NULL)
		return NULL;
	*mark_of(p) = (uint8_t)(USED | c);
	sanitize_open(p, n > 0 ? n : 1);
	return p;
}

static __attribute__((noinline)) void small_spill(unsigned c, struct cache *k, void *p)
{
	struct stack *s;
	uint16_t half;

	if (k == NULL || c >= CACHED_CLASSES) {
		slab_give(c, &p, 1);
		return;
	}
	/* The older half goes: what was freed last is in the CPU's cache. */
	s = &k->stack[c];
	half = (uint16_t)(s->n / 2);
	slab_give(c, s->block, half);
	s->n = (uint16_t)(s->n - half);
	memmove(s->block, s->block + half, s->n * sizeof(void *));
	s->block[s->n++] = p;
}

static void small_free(unsigned c, void *p)
{
	struct cache *k = mine;

	sanitize_open(p, slab_size(c));
	secret_wipe(p, slab_size(c));
	sanitize_close(p, slab_size(c));
	*mark_of(p) = (uint8_t)c;
	if (k != NULL && c < CACHED_CLASSES && k->stack[c].n < k->stack[c].max)
		k->stack[c].block[k->stack[c].n++] = p;
	else
		small_spill(c, k, p);
}

/* --- large blocks --------------------------------------------------------------- */

static struct run *store_take(size_t bytes)
{
	MUTEX_HOLD(&store.lock);

	for (struct run **at = &store.head; *at != NULL; at = &(*at)->next)
		if ((*at)->bytes == bytes) {
			struct run *r = *at;

			*at = r->next;
			store.bytes -= bytes;
			return r;
		}
	return NULL;
}

/* store_evict takes out the oldest; there is one. */
static struct run *store_evict(void)
{
	struct run **at = &store.head, *r;

	while ((*at)->next != NULL)
		at = &(*at)->next;
	r = *at;
	*at = NULL;
	store.bytes -= r->bytes;
	return r;
}

/* store_put keeps r, and gives back what it has to leave for that, in a list. */
static struct run *store_put(struct run *r)
{
	struct run *out = NULL;
	MUTEX_HOLD(&store.lock);

	r->next = NULL;
	if (r->bytes > STORE_BLOCK_MAX)
		return r;
	while (store.head != NULL && store.bytes + r->bytes > STORE_BYTES) {
		struct run *old = store_evict();

		old->next = out;
		out = old;
	}
	r->next = store.head;
	store.head = r;
	store.bytes += r->bytes;
	return out;
}

static void unmap_all(struct run *r)
{
	for (struct run *next; r != NULL; r = next) {
		next = r->next;
		pages_unmap(r);
	}
}

/* store_drop gives the stored blocks back; true if there were some. */
static bool store_drop(void)
{
	struct run *r;

	mutex_lock(&store.lock);
	r = store.head;
	store.head = NULL;
	store.bytes = 0;
	mutex_unlock(&store.lock);
	unmap_all(r);
	return r != NULL;
}

static void *big_new(size_t n)
{
	size_t bytes = n;
	struct run *r;

	if (n > SIZE_MAX / 2 || !started())
		return NULL;
	if (n <= STORE_BLOCK_MAX) /* in steps, so that stored ones fit again */
		bytes = slab_size(slab_class(n));
	bytes = (bytes + GUARD - 1) & ~(GUARD - 1);
	r = store_take(bytes);
	if (r == NULL)
		r = pages_map(bytes);
	if (r == NULL && store_drop())
		r = pages_map(bytes);
	if (r == NULL)
		return NULL;
	*mark_of(r->p) = USED | BIG;
	sanitize_close(r->p, bytes);
	sanitize_open(r->p, n);
	return r->p;
}

static void big_free(void *p)
{
	struct run *r = pages_run(p);

	sanitize_open(p, r->bytes);
	secret_wipe(p, r->bytes);
	sanitize_close(p, r->bytes);
	*mark_of(p) = BIG;
	unmap_all(store_put(r));
}

/* --- the interface ---------------------------------------------------------------- */

static void *block_new(size_t n)
{
	return n <= SLAB_MAX ? small_new(n) : big_new(n);
}

void *secret_malloc(size_t n)
{
	void *p = fault_now() ? NULL : block_new(n);

	if (__builtin_expect(p == NULL, 0))
		errno = ENOMEM;
	return p;
}

/* Every block is zero already. */
void *secret_calloc(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return secret_malloc(bytes);
}

void secret_free(void *p)
{
	unsigned c;

	if (p == NULL || (__builtin_expect(!pages_in(p), 0) && pages_gone(p)))
		return;
	c = class_of(p);
	if (c != BIG)
		small_free(c, p);
	else
		big_free(p);
}

static size_t usable(const void *p)
{
	unsigned c = class_of(p);

	return c == BIG ? pages_run(p)->bytes : slab_size(c);
}

size_t secret_size(const void *p)
{
	size_t n = p != NULL ? usable(p) : 0;

	sanitize_open(p, n); /* whoever asks may use it */
	return n;
}

/* A block stays where it is unless it is too small or much too large. */
static bool stays(size_t has, size_t n)
{
	return n <= has && (has <= 256 || n >= has / 2);
}

void *secret_realloc(void *p, size_t n)
{
	size_t has;
	void *to;

	if (p == NULL)
		return secret_malloc(n);
	has = secret_size(p);
	if (fault_now())
		return NULL;
	if (stays(has, n)) {
		secret_wipe((uint8_t *)p + n, has - n);
		sanitize_close((uint8_t *)p + n, has - n);
		return p;
	}
	to = block_new(n);
	if (to == NULL)
		return NULL;
	memcpy(to, p, has < n ? has : n);
	secret_free(p);
	return to;
}
