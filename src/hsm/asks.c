#include "asks.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

#define NS_PER_S 1000000000u
#define ASKS 64u
/* One user's, of the same custodians, and of all: one more takes the place of the first without shares. */
#define ASKS_OF_SET 4u
#define ASKS_OF_ONE 12u
/* Ceremonies under way: of all, of them the HSM's own, of one user. */
#define DEALS 64u
#define DEALS_OF_HSM 4u
#define DEALS_OF_ONE 8u
#define FIRST_MAX 9000u

enum ask_state { ASK_FREE, ASK_WAITS, ASK_COMPLETE, ASK_AGREED, ASK_TAKEN };

struct ask {
	enum ask_state state;
	uint64_t id, uid, until_ns;
	unsigned opcode;
	uint8_t digest[CRYPTO_HASH];
	char scope[ASK_SCOPE + 1], what[ASK_WHAT + 1];
	struct quorum quorum;
	struct secret y[SHAMIR_MAX];
	struct secret secret; /* a role's, once they agreed */
};

struct asks {
	struct secret key; /* of digests; never changed, as the next */
	uint64_t time_ns;
	struct mutex lock; /* innermost; what follows */
	struct ask v[ASKS];
	uint64_t last;
	struct quorum hsm;
	struct dealt dealt[DEALS];
};

enum hf_err asks_new(unsigned seconds, struct asks **ret)
{
	struct asks *a = hf_alloc(1, sizeof(*a));
	uint16_t first;

	if (a == NULL)
		return HF_E_MEMORY;
	mutex_init(&a->lock);
	a->time_ns = seconds * (uint64_t)NS_PER_S;
	*ret = a;
	/* Numbers of the time before a restart should mean nothing after it. */
	TRY(crypto_random((uint8_t *)&first, sizeof(first)));
	a->last = 1000 + first % FIRST_MAX;
	TRY(secret_alloc(&a->key, CRYPTO_KEY));
	return crypto_random(a->key.p, a->key.n);
}

static void ask_done(struct ask *k)
{
	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		secret_done(&k->y[i]);
	secret_done(&k->secret);
	k->state = ASK_FREE;
}

void dealt_done(struct dealt *d)
{
	secret_done(&d->secret);
	d->scope[0] = '\0';
}

void asks_forget(struct asks *a)
{
	MUTEX_HOLD(&a->lock);

	for (unsigned i = 0; i < ASKS; i++)
		ask_done(&a->v[i]);
	for (unsigned i = 0; i < DEALS; i++)
		dealt_done(&a->dealt[i]);
}

void asks_free(struct asks *a)
{
	if (a == NULL)
		return;
	asks_forget(a);
	secret_done(&a->key);
	mutex_done(&a->lock);
	hf_free(a);
}

void asks_custodians_set(struct asks *a, const struct quorum *q)
{
	MUTEX_HOLD(&a->lock);

	a->hsm = *q;
}

void asks_custodians(struct asks *a, struct quorum *ret)
{
	MUTEX_HOLD(&a->lock);

	*ret = a->hsm;
}

/* --- asking ------------------------------------------------------------------------ */

/* Whoever looks for one first forgets those whose time is over. */
static void forget_late(struct asks *a)
{
	uint64_t now = clock_mono_ns();

	for (unsigned i = 0; i < ASKS; i++)
		if (a->v[i].state != ASK_FREE && a->v[i].state != ASK_TAKEN && now > a->v[i].until_ns)
			ask_done(&a->v[i]);
}

enum hf_err asks_digest(struct asks *a, struct slice place, struct slice fields,
	uint8_t ret[CRYPTO_HASH])
{
	uint8_t inner[CRYPTO_HASH];

	TRY(crypto_hmac(secret_slice(&a->key), fields, inner));
	return crypto_hmac(SLICE_OF(inner), place, ret);
}

static struct ask *ask_by_id(struct asks *a, uint64_t id)
{
	for (unsigned i = 0; i < ASKS; i++)
		if (a->v[i].state != ASK_FREE && a->v[i].id == id)
			return &a->v[i];
	return NULL;
}

static bool is_same(const struct ask *k, const struct want *w)
{
	return k->state != ASK_FREE && k->opcode == w->opcode && k->uid == w->uid &&
		strcmp(k->scope, w->scope) == 0 &&
		slice_eq(SLICE_OF(k->quorum.id), SLICE_OF(w->quorum->id)) &&
		secret_eq(SLICE_OF(k->digest), SLICE_OF(w->digest));
}

static struct ask *ask_like(struct asks *a, const struct want *w)
{
	for (unsigned i = 0; i < ASKS; i++)
		if (is_same(&a->v[i], w))
			return &a->v[i];
	return NULL;
}

static unsigned count(const struct ask *k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		n += k->y[i].n > 0;
	return n;
}

/* own_asks counts a user's, of one set of custodians or (id NULL) of all; *ret_oldest: the first of
 * them that nobody gave a share for, or NULL. */
static unsigned own_asks(struct asks *a, uint64_t uid, const uint8_t *id, struct ask **ret_oldest)
{
	unsigned n = 0;

	*ret_oldest = NULL;
	for (unsigned i = 0; i < ASKS; i++) {
		struct ask *k = &a->v[i];

		if (k->state == ASK_FREE || k->uid != uid ||
		    (id != NULL && !slice_eq(SLICE_OF(k->quorum.id), (struct slice){ id, QUORUM_ID })))
			continue;
		n++;
		if (k->state == ASK_WAITS && count(k) == 0 &&
		    (*ret_oldest == NULL || k->id < (*ret_oldest)->id))
			*ret_oldest = k;
	}
	return n;
}

static struct ask *empty_place(struct asks *a)
{
	for (unsigned i = 0; i < ASKS; i++)
		if (a->v[i].state == ASK_FREE)
			return &a->v[i];
	return NULL;
}

/* free_place: nothing that has a share gives way; NULL: none. */
static struct ask *free_place(struct asks *a, const struct want *w)
{
	struct ask *of_set, *of_all;
	bool many = own_asks(a, w->uid, w->quorum->id, &of_set) >= ASKS_OF_SET;

	if (!many) {
		if (own_asks(a, w->uid, NULL, &of_all) < ASKS_OF_ONE)
			return empty_place(a);
		of_set = of_all;
	}
	if (of_set != NULL)
		ask_done(of_set);
	return of_set;
}

static enum hf_err ask_begin(struct asks *a, const struct want *w, struct ask **ret)
{
	struct ask *k = free_place(a, w);

	if (k == NULL)
		return HF_E_LIMIT;
	*k = (struct ask){
		.state = ASK_WAITS,
		.id = ++a->last,
		.uid = w->uid,
		.until_ns = clock_mono_ns() + a->time_ns,
		.opcode = w->opcode,
		.quorum = *w->quorum,
	};
	memcpy(k->digest, w->digest, sizeof(k->digest));
	(void)snprintf(k->scope, sizeof(k->scope), "%s", w->scope);
	(void)snprintf(k->what, sizeof(k->what), "%s", w->what);
	*ret = k;
	return HF_OK;
}

enum hf_err asks_need(struct asks *a, const struct want *w, uint64_t *ret_id,
	struct secret *ret_secret)
{
	MUTEX_HOLD(&a->lock);
	struct ask *k;

	forget_late(a);
	k = ask_like(a, w);
	if (k == NULL)
		TRY(ask_begin(a, w, &k));
	*ret_id = k->id;
	if (k->state != ASK_AGREED)
		return HF_E_QUORUM;
	if (k->secret.n > 0)
		TRY(secret_dup(secret_slice(&k->secret), ret_secret));
	k->state = ASK_TAKEN;
	return HF_OK;
}

void asks_end(struct asks *a, uint64_t id, bool used)
{
	MUTEX_HOLD(&a->lock);
	struct ask *k = ask_by_id(a, id);

	if (k == NULL)
		return;
	k->state = ASK_AGREED;
	if (used)
		ask_done(k);
}

enum hf_err asks_cancel(struct asks *a, uint64_t id, uint64_t uid, bool admin)
{
	MUTEX_HOLD(&a->lock);
	struct ask *k;

	forget_late(a);
	k = ask_by_id(a, id);
	if (k == NULL || k->state == ASK_TAKEN)
		return HF_E_REQUEST;
	if (k->uid != uid && !admin)
		return HF_E_DENIED;
	ask_done(k);
	return HF_OK;
}

/* --- giving ------------------------------------------------------------------------ */

/* find_for: which ask a share without a number is for. Where none fits, *ret_why says
 * what is the matter with it. */
static struct ask *find_for(struct asks *a, struct slice share, enum hf_err *ret_why)
{
	struct ask *found = NULL, *only = NULL;
	unsigned waiting = 0;

	for (unsigned i = 0; i < ASKS; i++) {
		struct ask *k = &a->v[i];

		if (k->state != ASK_WAITS)
			continue;
		waiting++;
		only = k;
		if (quorum_check(&k->quorum, share) != HF_OK)
			continue;
		*ret_why = HF_E_ASK_WHICH;
		if (found != NULL)
			return NULL;
		found = k;
	}
	if (found != NULL)
		return found;
	*ret_why = quorum_check(waiting == 1 ? &only->quorum : &a->hsm, share);
	if (*ret_why == HF_OK)
		*ret_why = HF_E_REQUEST;
	return NULL;
}

static enum hf_err find_ask(struct asks *a, uint64_t id, struct slice share, struct ask **ret)
{
	enum hf_err why = HF_E_REQUEST;

	forget_late(a);
	*ret = id != 0 ? ask_by_id(a, id) : find_for(a, share, &why);
	if (*ret == NULL)
		return why;
	TRY(quorum_check(&(*ret)->quorum, share));
	return (*ret)->state == ASK_WAITS ? HF_OK : HF_E_REQUEST;
}

static void tell(const struct ask *k, unsigned x, struct given *ret)
{
	ret->id = k->id;
	ret->opcode = k->opcode;
	ret->have = (uint8_t)count(k);
	ret->needed = k->quorum.m;
	memcpy(ret->scope, k->scope, sizeof(ret->scope));
	memcpy(ret->what, k->what, sizeof(ret->what));
	memcpy(ret->custodian, k->quorum.name[x], sizeof(ret->custodian));
}

enum hf_err asks_give(struct asks *a, uint64_t id, struct slice share, struct given *ret,
	struct secret *ret_secret)
{
	MUTEX_HOLD(&a->lock);
	struct ask *k;
	unsigned x;

	TRY(find_ask(a, id, share, &k));
	x = quorum_number(share) - 1u;
	tell(k, x, ret);
	if (k->y[x].n > 0)
		return HF_E_SHARE_TWICE;
	TRY(secret_dup(quorum_value(share), &k->y[x]));
	ret->have = (uint8_t)count(k);
	if (ret->have < k->quorum.m)
		return HF_OK;
	TRY(quorum_join(k->y, k->quorum.m, ret_secret));
	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		secret_done(&k->y[i]);
	k->state = ASK_COMPLETE;
	return HF_OK;
}

void asks_agree(struct asks *a, uint64_t id, struct secret *secret)
{
	MUTEX_HOLD(&a->lock);
	struct ask *k = ask_by_id(a, id);

	if (k == NULL || k->state != ASK_COMPLETE)
		return;
	k->state = ASK_AGREED;
	k->until_ns = clock_mono_ns() + a->time_ns;
	if (secret != NULL)
		k->secret = secret_take(secret);
}

/* --- telling ----------------------------------------------------------------------- */

/* list_names: of those who gave their share, or of those who did not. */
static struct slice list_names(const struct ask *k, bool gave, char out[QUORUM_NAMES])
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < k->quorum.n; i++)
		if ((k->y[i].n > 0) == gave)
			n += (size_t)snprintf(out + n, QUORUM_NAMES - n, "%s%s", n > 0 ? "," : "",
				k->quorum.name[i]);
	return slice_str(out);
}

static enum hf_err describe(const struct ask *k, uint64_t now, struct arena *arena,
	struct asking *ret)
{
	char names[QUORUM_NAMES];

	*ret = (struct asking){
		.id = k->id,
		.uid = k->uid,
		.needed = k->quorum.m,
		.have = (uint8_t)(k->state == ASK_WAITS ? count(k) : k->quorum.m),
		.agreed = k->state != ASK_WAITS,
		.seconds = k->until_ns > now ? (uint32_t)((k->until_ns - now) / NS_PER_S) : 0,
	};
	TRY(arena_dup(arena, slice_str(k->scope), &ret->scope));
	TRY(arena_dup(arena, slice_str(k->what), &ret->what));
	if (ret->agreed)
		return HF_OK;
	TRY(arena_dup(arena, list_names(k, true, names), &ret->gave));
	return arena_dup(arena, list_names(k, false, names), &ret->missing);
}

enum hf_err asks_list(struct asks *a, struct arena *arena, struct asking_list *ret)
{
	struct asking *v = arena_alloc(arena, ASKS, sizeof(*v));
	uint64_t now = clock_mono_ns();
	MUTEX_HOLD(&a->lock);
	size_t n = 0;

	if (v == NULL)
		return HF_E_MEMORY;
	forget_late(a);
	for (unsigned i = 0; i < ASKS; i++)
		if (a->v[i].state != ASK_FREE)
			TRY(describe(&a->v[i], now, arena, &v[n++]));
	*ret = (struct asking_list){ v, n };
	return HF_OK;
}

/* --- dealt, not yet in force --------------------------------------------------------- */

static bool is_dealt(const struct dealt *d)
{
	return d->secret.n > 0;
}

static struct dealt *dealt_for(struct asks *a, const char *scope)
{
	for (unsigned i = 0; i < DEALS; i++)
		if (is_dealt(&a->dealt[i]) && strcmp(a->dealt[i].scope, scope) == 0)
			return &a->dealt[i];
	return NULL;
}

static bool is_late(const struct asks *a, const struct dealt *d, uint64_t now)
{
	return now - d->since_ns > a->time_ns;
}

/* place_for: the HSM's own have places that no partition's officer can fill. */
static struct dealt *place_for(struct asks *a, const struct dealt *d, uint64_t now)
{
	struct dealt *place = NULL;
	unsigned own = 0;

	for (unsigned i = d->of_hsm ? 0 : DEALS_OF_HSM; i < DEALS; i++) {
		struct dealt *k = &a->dealt[i];

		bool taken = is_dealt(k) && !is_late(a, k, now);

		own += taken && k->uid == d->uid;
		if (!taken && (place == NULL || !is_dealt(k)))
			place = k;
	}
	return d->of_hsm || own < DEALS_OF_ONE ? place : NULL;
}

enum hf_err asks_deal(struct asks *a, struct dealt *d, struct dealt *ret_other)
{
	uint64_t now = clock_mono_ns();
	MUTEX_HOLD(&a->lock);
	struct dealt *k = dealt_for(a, d->scope);

	if (k != NULL && !d->again && !is_late(a, k, now)) {
		*ret_other = *k;
		ret_other->secret = (struct secret){ 0 };
		return HF_E_CEREMONY;
	}
	if (k == NULL)
		k = place_for(a, d, now);
	if (k == NULL)
		return HF_E_LIMIT;
	dealt_done(k);
	*k = *d;
	k->since_ns = now;
	d->secret = (struct secret){ 0 };
	return HF_OK;
}

static struct dealt *dealt_set(struct asks *a, struct slice set)
{
	for (unsigned i = 0; i < DEALS; i++)
		if (is_dealt(&a->dealt[i]) && slice_eq(SLICE_OF(a->dealt[i].quorum.id), set))
			return &a->dealt[i];
	return NULL;
}

enum hf_err asks_dealt(struct asks *a, struct slice set, struct dealt *ret)
{
	MUTEX_HOLD(&a->lock);
	struct dealt *k = dealt_set(a, set);

	if (k == NULL || k->uid != ret->uid || strcmp(k->scope, ret->scope) != 0)
		return HF_E_SET;
	*ret = *k;
	k->secret = (struct secret){ 0 };
	return HF_OK;
}

enum hf_err asks_undeal(struct asks *a, struct slice set, uint64_t uid, bool admin)
{
	MUTEX_HOLD(&a->lock);
	struct dealt *k = dealt_set(a, set);

	if (k == NULL)
		return HF_E_SET;
	if (k->uid != uid && !admin)
		return HF_E_DENIED;
	dealt_done(k);
	return HF_OK;
}

unsigned asks_seconds(const struct asks *a)
{
	return (unsigned)(a->time_ns / NS_PER_S);
}
