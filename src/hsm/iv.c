#include "iv.h"

#include <string.h>

#include "crypto.h"
#include "pkcs11_numbers.h"

#define RANDOM_BITS_MIN 64u /* fewer repeat too soon by chance */
#define RANDOM_BITS_BEST 96u /* SP 800-38D §8.2.2 */

/* struct iv_state is what a partition remembers of one key. */
struct iv_state {
	struct map_node by_value;
	uint64_t handle;           /* the object that used it last */
	uint64_t count;            /* the next number */
	bool full;                 /* count has come round */
	uint64_t randoms;
	uint64_t counter;          /* CKG_ that counts under this key; 0: none yet */
	size_t bits;               /* that are counted in; 0: none yet */
	size_t n;                  /* of what follows: CKG_GENERATE_COUNTER_XOR's */
	uint8_t base[IV_MAX], last[IV_MAX];
};

static struct iv_state *state_at(struct map_node *n)
{
	return container_of(n, struct iv_state, by_value);
}

static void state_free(struct map_node *n)
{
	secret_wipe(state_at(n), sizeof(struct iv_state));
	hf_free(state_at(n));
}

void ivs_free(struct map *m)
{
	map_free(m, state_free);
}

/* sweep forgets keys that are gone, once there are many. */
static void sweep(struct partition *p)
{
	struct map_node *n = map_next(&p->ivs, NULL), *next;

	for (; n != NULL; n = next) {
		next = map_next(&p->ivs, n);
		if (!object_is_there(p, state_at(n)->handle))
			state_free(map_del(&p->ivs, n->key));
	}
}

/* value_of: keys are told apart by their value, so that a copy goes on behind its origin. Two
 * that hash alike would share a count, which is no harm. */
static enum hf_err value_of(const struct object *key, uint64_t *ret)
{
	uint8_t id[CRYPTO_HASH];

	TRY(crypto_sha256_2(SLICE_STR("iv"), attrs_get(&key->attrs, CKA_VALUE), id));
	*ret = get_u64(id);
	return HF_OK;
}

static enum hf_err state_new(struct partition *p, uint64_t value, struct iv_state **ret)
{
	struct iv_state *s;
	enum hf_err e;

	if (p->ivs.n >= IV_KEYS_MAX)
		sweep(p);
	if (p->ivs.n >= IV_KEYS_MAX)
		return HF_E_LIMIT;
	s = hf_alloc(1, sizeof(*s));
	if (s == NULL)
		return HF_E_MEMORY;
	e = map_put(&p->ivs, value, &s->by_value);
	if (e != HF_OK)
		hf_free(s);
	else
		*ret = s;
	return e;
}

static enum hf_err state_of(const struct calls_ctx *c, const struct object *key, struct iv_state **ret)
{
	uint64_t before = c->session->ivs_before, value;
	struct map_node *n;

	TRY(value_of(key, &value));
	n = map_get(&c->part->ivs, value);
	if (n != NULL)
		*ret = state_at(n);
	else
		TRY(state_new(c->part, value, ret));
	(*ret)->handle = key->handle;
	if ((*ret)->count < before)
		(*ret)->count = before;
	if ((*ret)->randoms < before)
		(*ret)->randoms = before;
	return HF_OK;
}

/* keep_fixed puts the first bits of given over those of iv. */
static void keep_fixed(uint8_t *iv, struct slice given, size_t bits)
{
	uint8_t mask = (uint8_t)(0xff00u >> bits % 8);

	if (bits >= 8)
		memcpy(iv, given.p, bits / 8);
	if (bits % 8 != 0)
		iv[bits / 8] = (uint8_t)((iv[bits / 8] & ~mask) | (given.p[bits / 8] & mask));
}

/* count_up gives the next number, which fits into so many bits. Numbers of a key only grow and
 * stand in the same bits, so that two of its IVs differ whatever their fixed bits are. */
static enum hf_err count_up(struct iv_state *s, size_t bits, uint8_t ret[8])
{
	if (s->full || (bits < 64 && s->count >> bits != 0))
		return HF_E_IV_EXHAUSTED;
	put_u64(ret, s->count++);
	s->full = s->count == 0;
	return HF_OK;
}

static void xor_end(uint8_t *iv, size_t n, const uint8_t number[8])
{
	for (size_t i = 0; i < 8 && i < n; i++)
		iv[n - 1 - i] ^= number[7 - i];
}

/* same_base: the part that is counted over must not change from call to call (PKCS#11 3.2
 * §6.13.3); who leaves in place what the last call put there means the same. */
static bool same_base(const struct iv_state *s, const struct iv_wish *w)
{
	uint8_t room[2][IV_MAX];

	if (s->n != w->given.n)
		return s->n == 0;
	memcpy(room[0], s->base, s->n);
	memcpy(room[1], s->last, s->n);
	keep_fixed(room[0], w->given, (size_t)w->fixed_bits);
	keep_fixed(room[1], w->given, (size_t)w->fixed_bits);
	return slice_eq((struct slice){ room[0], s->n }, w->given) ||
	       slice_eq((struct slice){ room[1], s->n }, w->given);
}

static enum hf_err make_counter(struct iv_state *s, const struct iv_wish *w, uint8_t *iv)
{
	uint8_t number[8];
	bool over = w->generator == CKG_GENERATE_COUNTER_XOR;
	size_t bits = w->given.n * 8 - (size_t)w->fixed_bits;

	if (s->counter != 0 && (s->counter == CKG_GENERATE_COUNTER_XOR) != over)
		return HF_E_MECHANISM_PARAM;
	if (over && !same_base(s, w))
		return HF_E_MECHANISM_PARAM;
	if (s->bits != 0 && s->bits != bits)
		return HF_E_MECHANISM_PARAM;
	TRY(count_up(s, bits, number));
	s->bits = bits;
	s->counter = w->generator;
	if (over && s->n == 0) {
		s->n = w->given.n;
		memcpy(s->base, w->given.p, s->n);
	}
	if (over)
		memcpy(iv, s->base, s->n);
	keep_fixed(iv, w->given, (size_t)w->fixed_bits);
	xor_end(iv, w->given.n, number);
	if (over)
		memcpy(s->last, iv, s->n);
	return HF_OK;
}

/* With so many messages that two agree by chance with 2^-33, it is over. */
static enum hf_err make_random(struct iv_state *s, const struct iv_wish *w, uint8_t *iv)
{
	size_t bits = w->given.n * 8 - (size_t)w->fixed_bits;
	size_t most = bits < RANDOM_BITS_BEST ? (bits - 32) / 2 : 32;

	if (bits < RANDOM_BITS_MIN)
		return HF_E_MECHANISM_PARAM;
	if (s->randoms >> most != 0)
		return HF_E_IV_EXHAUSTED;
	TRY(crypto_random(iv, w->given.n));
	keep_fixed(iv, w->given, (size_t)w->fixed_bits);
	s->randoms++;
	return HF_OK;
}

static enum hf_err make_any(struct iv_state *s, const struct iv_wish *w, uint8_t *iv)
{
	struct iv_wish counted = { w->given, w->fixed_bits, CKG_GENERATE_COUNTER };

	if (w->given.n * 8 - (size_t)w->fixed_bits >= RANDOM_BITS_BEST)
		return make_random(s, w, iv);
	return make_counter(s, &counted, iv);
}

static const struct {
	uint64_t generator;
	enum hf_err (*make)(struct iv_state *s, const struct iv_wish *w, uint8_t *iv);
} makers[] = {
	{ CKG_GENERATE, make_any },
	{ CKG_GENERATE_COUNTER, make_counter },
	{ CKG_GENERATE_RANDOM, make_random },
	{ CKG_GENERATE_COUNTER_XOR, make_counter },
};

enum hf_err iv_make(struct calls_ctx *c, const struct object *key, const struct iv_wish *w,
	struct slice *ret)
{
	struct iv_state *s;
	uint8_t *iv;

	if (w->generator == CKG_NO_GENERATE) {
		*ret = w->given;
		return HF_OK;
	}
	if (w->given.n == 0 || w->given.n > IV_MAX || w->fixed_bits >= w->given.n * 8)
		return HF_E_MECHANISM_PARAM;
	iv = arena_alloc(c->arena, w->given.n, 1);
	if (iv == NULL)
		return HF_E_SECRET_MEMORY;
	MUTEX_HOLD(&c->part->iv_lock);
	TRY(state_of(c, key, &s));
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		if (makers[i].generator != w->generator)
			continue;
		TRY(makers[i].make(s, w, iv));
		*ret = (struct slice){ iv, w->given.n };
		return HF_OK;
	}
	return HF_E_MECHANISM_PARAM;
}
