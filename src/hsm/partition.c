#include "partition.h"
#include "usage.h"

#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "gate.h"
#include "guard.h"
#include "iv.h"
#include "onetime.h"
#include "opening.h"
#include "tags.h"

void partition_ref(struct partition *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

static void partition_free(struct partition *p)
{
	objects_free(p->objects);
	opening_done(&p->opening);
	tags_free(p->tags);
	guards_free(p->guards);
	usages_free(p->usages);
	onetimes_free(p->onetimes);
	roles_free(p->roles);
	ivs_free(&p->ivs);
	mutex_done(&p->iv_lock);
	secret_done(&p->key);
	secret_done(&p->old_key);
	rwlock_done(&p->keeping);
	hf_free((void *)(uintptr_t)p->clients.v);
	(void)pthread_rwlock_destroy(&p->lock);
	hf_free(p);
}

void partition_unref(struct partition *p)
{
	if (p != NULL && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
		partition_free(p);
}

void partitions_unref(struct partition **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		partition_unref(v[i]);
}

/* --- lookup ------------------------------------------------------------------ */

static bool is_there(struct partition *p)
{
	bool there;

	(void)pthread_rwlock_rdlock(&p->lock);
	there = p->ready && !p->deleted;
	(void)pthread_rwlock_unlock(&p->lock);
	return there;
}

static struct partition *of_node(struct map_node *n)
{
	return container_of(n, struct partition, by_slot);
}

struct partition *partition_at(struct hsm *h, uint64_t slot)
{
	MUTEX_HOLD(&h->lock);
	struct map_node *n = map_get(&h->partitions, slot);

	if (n == NULL || !is_there(of_node(n)))
		return NULL;
	partition_ref(of_node(n));
	return of_node(n);
}

struct slice label_trimmed(struct slice label)
{
	while (label.n > 0 && label.p[label.n - 1] == ' ')
		label.n--;
	return label;
}

struct partition *partition_by_serial(struct hsm *h, struct slice serial)
{
	MUTEX_HOLD(&h->lock);

	for (struct map_node *n = map_next(&h->partitions, NULL); n != NULL;
	     n = map_next(&h->partitions, n)) {
		struct partition *p = of_node(n);

		if (!slice_eq(slice_str(p->serial), serial) || !is_there(p))
			continue;
		partition_ref(p);
		return p;
	}
	return NULL;
}

static int by_slot(const void *a, const void *b)
{
	const struct partition *const *x = a, *const *y = b;

	return ((*x)->slot > (*y)->slot) - ((*x)->slot < (*y)->slot);
}

enum hf_err partitions_all(struct hsm *h, struct arena *a, struct partition ***ret, size_t *ret_n)
{
	MUTEX_HOLD(&h->lock);
	struct partition **v = arena_alloc(a, h->partitions.n + 1, sizeof(struct partition *));
	size_t k = 0;

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (struct map_node *n = map_next(&h->partitions, NULL); n != NULL;
	     n = map_next(&h->partitions, n))
		if (is_there(of_node(n))) {
			partition_ref(of_node(n));
			v[k++] = of_node(n);
		}
	qsort(v, k, sizeof(struct partition *), by_slot);
	*ret = v;
	*ret_n = k;
	return HF_OK;
}

enum hf_err partitions_damaged(struct hsm *h, size_t *ret)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	size_t n, count = damaged_count(h->damaged);
	struct partition **v;

	TRY(partitions_all(h, &a, &v, &n));
	for (size_t i = 0; i < n; i++)
		count += damaged_count(v[i]->roles->damaged);
	partitions_unref(v, n);
	*ret = count;
	return HF_OK;
}

/* A slot keeps its number for as long as its partition lives; the free one is
 * the lowest number that is nobody's. */
uint64_t partition_free_slot(struct hsm *h)
{
	MUTEX_HOLD(&h->lock);
	uint64_t slot = 0;

	while (map_get(&h->partitions, slot) != NULL)
		slot++;
	return slot;
}

enum hf_err partition_open(struct partition *p)
{
	enum hf_err e = HF_OK;

	(void)pthread_rwlock_rdlock(&p->lock);
	if (p->disabled)
		e = HF_E_DISABLED;
	else if (p->busy)
		e = HF_E_CONFLICT;
	(void)pthread_rwlock_unlock(&p->lock);
	return e;
}

/* --- who sees it --------------------------------------------------------------- */

static bool is_client(const struct identity *i, const struct peer *peer)
{
	if (i->kind == IDENTITY_UID)
		return i->id == peer->uid;
	if (i->kind != IDENTITY_GID)
		return false;
	if (i->id == peer->gid)
		return true;
	for (unsigned g = 0; g < peer->group_count && g < 32; g++)
		if (i->id == peer->groups[g])
			return true;
	return false;
}

bool partition_sees(struct partition *p, const struct hsm *h, const struct peer *peer)
{
	bool sees = peer_is_admin(h, peer);

	(void)pthread_rwlock_rdlock(&p->lock);
	for (size_t i = 0; i < p->clients.n && !sees; i++)
		sees = is_client(&p->clients.v[i], peer);
	(void)pthread_rwlock_unlock(&p->lock);
	return sees;
}

enum hf_err call_part(struct calls_ctx *c, uint64_t slot, struct partition **ret)
{
	struct partition *p = partition_at(c->hsm, slot);

	if (p == NULL)
		return slot == partition_free_slot(c->hsm) ? HF_E_NO_TOKEN : HF_E_SLOT;
	if (!partition_sees(p, c->hsm, &c->conn->peer)) {
		partition_unref(p);
		return HF_E_SLOT;
	}
	set_part(c, p);
	*ret = p;
	return HF_OK;
}

enum hf_err call_slot(struct calls_ctx *c, uint64_t slot)
{
	struct partition *p;
	enum hf_err e = call_part(c, slot, &p);

	return e == HF_E_NO_TOKEN ? HF_OK : e;
}
