/* random.c: random bytes for small wishes are fetched from the vault in advance. Nobody gets the
 * same bytes twice: what was given is wiped, and a forked child finds the page empty. */
#include <string.h>
#include <sys/mman.h>

#include "client_int.h"
#include "clock.h"
#include "secret.h"
#include "stubs.h"

#define AHEAD 4032u         /* bytes fetched at once: with their head, a page */
#define SMALL (AHEAD / 8)   /* a greater wish goes to the vault itself */
#define STALE_NS 1000000000u /* after that a vault that may not serve any more is asked again */

/* struct random_pool fills a page that fork empties (MADV_WIPEONFORK). */
struct random_pool {
	uint64_t left, born_ns;
	uint8_t bytes[AHEAD];
};

static enum hf_err from_vault(struct client *c, uint64_t session, uint8_t *p, size_t n)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct random_req q = { .n = (uint32_t)n };
	struct random_res r;

	TRY(do_random(c, session, &q, &r, &a));
	if (r.out.n != n)
		return HF_E_MALFORMED;
	if (n > 0)
		memcpy(p, r.out.p, n);
	return HF_OK;
}

static struct random_pool *pool_make(void)
{
	struct random_pool *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, sizeof(*p), MADV_WIPEONFORK) != 0) {
		(void)munmap(p, sizeof(*p));
		return NULL;
	}
	(void)madvise(p, sizeof(*p), MADV_DONTDUMP);
	return p;
}

void random_done(struct client *c)
{
	if (c->random == NULL)
		return;
	secret_wipe(c->random, sizeof(*c->random));
	(void)munmap(c->random, sizeof(*c->random));
	c->random = NULL;
}

static void take(struct random_pool *pool, uint8_t *p, size_t n)
{
	uint8_t *from;

	pool->left -= n;
	from = pool->bytes + pool->left;
	memcpy(p, from, n);
	secret_wipe(from, n);
}

static enum hf_err refill(struct client *c, struct random_pool *pool, uint64_t session)
{
	pool->left = 0;
	TRY(from_vault(c, session, pool->bytes, AHEAD));
	pool->left = AHEAD;
	pool->born_ns = clock_mono_ns();
	return HF_OK;
}

static enum hf_err from_pool(struct client *c, uint64_t session, uint8_t *p, size_t n)
{
	uint64_t slot; /* none: the handle is wrong */
	MUTEX_HOLD(&c->random_lock);

	TRY(client_session_slot(c, session, &slot));
	if (c->random == NULL)
		c->random = pool_make();
	if (c->random == NULL)
		return from_vault(c, session, p, n);
	if (c->random->left < n || clock_mono_ns() - c->random->born_ns > STALE_NS)
		TRY(refill(c, c->random, session));
	take(c->random, p, n);
	return HF_OK;
}

enum hf_err client_random(struct client *c, uint64_t session, uint8_t *p, size_t n)
{
	return n > 0 && n <= SMALL ? from_pool(c, session, p, n) : from_vault(c, session, p, n);
}
