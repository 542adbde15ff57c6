/* engine.c: see engine.h. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "curve_group.h"
#include "generation.h"
#include "opening.h"
#include "records.h"
#include "roles.h"

#define RECORDS 64

struct stub_store stub_store;

static struct {
	char name[128];
	uint64_t version; /* 0: free */
	struct secret plain;
} records[RECORDS];

static size_t record_at(const char *name)
{
	for (size_t i = 0; i < RECORDS; i++)
		if (records[i].version != 0 && strcmp(records[i].name, name) == 0)
			return i;
	return RECORDS;
}

static enum hf_err write_change(const struct record_change *ch)
{
	size_t i = record_at(ch->name);

	if (ch->seal == SEAL_PARTITION && ch->key.n == 0)
		return HF_E_INTERNAL;
	if ((i == RECORDS ? 0 : records[i].version) != ch->expect)
		return HF_E_CONFLICT;
	if (i == RECORDS)
		for (i = 0; i < RECORDS && records[i].version != 0; i++)
			continue;
	if (i == RECORDS)
		return HF_E_STORE;
	stub_store.records += ch->version != 0;
	stub_store.records -= ch->expect != 0;
	records[i].version = ch->version;
	snprintf(records[i].name, sizeof(records[i].name), "%s", ch->name);
	secret_done(&records[i].plain);
	return ch->version != 0 ? secret_dup(ch->plain, &records[i].plain) : HF_OK;
}

struct role_record *role_named(struct roles *r, struct slice name)
{
	(void)r;
	(void)name;
	return NULL;
}

enum hf_err records_write(struct records *r, const struct record_change *v, size_t n)
{
	(void)r;
	stub_store.writes++;
	if (stub_store.during != NULL)
		stub_store.during(stub_store.ctx);
	if (stub_store.fail != HF_OK)
		return stub_store.fail;
	for (size_t i = 0; i < n; i++)
		TRY(write_change(&v[i]));
	return HF_OK;
}

enum hf_err records_write_early(struct records *r, const struct record_change *v, size_t n,
	const struct records_behind *b)
{
	(void)b;
	return records_write(r, v, n);
}

bool records_write_later(struct records_later *l)
{
	l->result = records_write(l->r, l->v, l->n);
	return true;
}

bool ahead_is_last(const struct calls_ctx *c)
{
	(void)c;
	return false;
}

const struct records_behind *ahead_behind(struct calls_ctx *c)
{
	(void)c;
	return NULL;
}

/* Here every object is in memory. */
bool opening_is(const struct partition *p)
{
	(void)p;
	return false;
}

enum hf_err opening_wait(struct partition *p)
{
	(void)p;
	return HF_OK;
}

enum hf_err opening_fetch(struct hsm *h, struct partition *p, uint64_t handle)
{
	(void)h;
	(void)p;
	(void)handle;
	return HF_OK;
}

enum hf_err opening_find(struct hsm *h, struct partition *p, unsigned which, struct slice value)
{
	(void)h;
	(void)p;
	(void)which;
	(void)value;
	return HF_OK;
}

bool stub_record(const char *end, struct slice *ret, uint64_t *ret_version)
{
	for (size_t i = 0; i < RECORDS; i++) {
		size_t n = strlen(records[i].name), m = strlen(end);

		if (records[i].version == 0 || n < m || strcmp(records[i].name + n - m, end) != 0)
			continue;
		*ret = secret_slice(&records[i].plain);
		*ret_version = records[i].version;
		return true;
	}
	return false;
}

/* --- crypto.h ---------------------------------------------------------------- */

static uint8_t uid_head[6];
static unsigned uid_draws;

void stub_uid(const uint8_t head[6], unsigned n)
{
	memcpy(uid_head, head, sizeof(uid_head));
	uid_draws = n;
}

enum hf_err crypto_random(uint8_t *out, size_t n)
{
	static uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[i] = (uint8_t)x;
	}
	if (n == UID_LEN && uid_draws > 0) {
		uid_draws--;
		memcpy(out, uid_head, sizeof(uid_head));
	}
	return HF_OK;
}

/* No hash, but different for what the tests hash. */
enum hf_err crypto_sha256_2(struct slice a, struct slice b, uint8_t out[CRYPTO_HASH])
{
	memset(out, 0, CRYPTO_HASH);
	for (size_t i = 0; i < a.n; i++)
		out[i % 8] = (uint8_t)(out[i % 8] + a.p[i]);
	for (size_t i = 0; i < b.n; i++)
		out[8 + i % 8] = (uint8_t)(out[8 + i % 8] + b.p[i]);
	return HF_OK;
}

enum hf_err crypto_sha256(struct slice in, uint8_t out[CRYPTO_HASH])
{
	return crypto_sha256_2(in, SLICE_NONE, out);
}

enum hf_err crypto_hmac(struct slice key, struct slice in, uint8_t out[CRYPTO_HASH])
{
	return crypto_sha256_2(key, in, out);
}

enum hf_err crypto_derive(struct slice key, const char *label, struct slice context, struct secret *ret)
{
	(void)label;
	(void)context;
	return secret_dup(key, ret);
}

/* --- mech.h: keys --------------------------------------------------------------- */

struct key {
	uint32_t cko, ckk;
	size_t size;
};

enum hf_err key_parse(uint32_t cko, uint32_t ckk, const struct key_source *s, struct key **ret)
{
	struct key *k = hf_alloc(1, sizeof(*k));

	if (k == NULL)
		return HF_E_MEMORY;
	*k = (struct key){ cko, ckk, s->get(s->ctx, CKA_VALUE).n };
	*ret = k;
	return HF_OK;
}

void key_free(struct key *k)
{
	hf_free(k);
}

size_t key_size(const struct key *k)
{
	return k->size;
}

size_t key_only_size(uint32_t ckk)
{
	(void)ckk;
	return 0;
}

enum hf_err key_fit(uint32_t ckk, struct secret *v)
{
	(void)ckk;
	(void)v;
	return HF_OK;
}

unsigned curve_group_of(uint32_t ckk, struct slice params, size_t *ret_bits)
{
	(void)ckk;
	(void)params;
	*ret_bits = 0;
	return 0;
}

void mech_other_keys(const struct mech *m, const struct params *p, uint64_t ret[OTHER_KEYS_MAX])
{
	(void)m;
	(void)p;
	memset(ret, 0, OTHER_KEYS_MAX * sizeof(ret[0]));
}

/* --- mech.h: families --------------------------------------------------------------- */

int stub_states;

struct state {
	uint64_t bytes;
	uint8_t last;
};

static enum hf_err begin(struct crypt *c)
{
	struct state *s = hf_alloc(1, sizeof(*s));

	if (s == NULL)
		return HF_E_MEMORY;
	stub_states++;
	c->state = s;
	return HF_OK;
}

static void end(struct crypt *c)
{
	hf_free(c->state);
	c->state = NULL;
	stub_states--;
}

static enum hf_err cipher_update(struct crypt *c, struct slice in, struct buf *out)
{
	struct state *s = c->state;
	int add = c->verb == VERB_ENCRYPT ? 1 : -1;

	for (size_t i = 0; i < in.n; i++) {
		s->last = (uint8_t)(in.p[i] + add);
		buf_u8(out, s->last);
	}
	s->bytes += in.n;
	return HF_OK;
}

static enum hf_err cipher_finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	(void)sig;
	return cipher_update(c, in, out);
}

static size_t cipher_bound(const struct crypt *c, size_t in, bool last)
{
	(void)c;
	(void)last;
	return in;
}

/* Decryption holds everything back, as it must know where the end is. */
static enum hf_err padded_update(struct crypt *c, struct slice in, struct buf *out)
{
	return c->verb == VERB_ENCRYPT ? cipher_update(c, in, out) : HF_E_INTERNAL;
}

static enum hf_err padded_finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct state *s = c->state;

	(void)sig;
	TRY(cipher_update(c, in, out));
	if (c->verb == VERB_ENCRYPT)
		return cipher_update(c, SLICE_STR("P"), out);
	if (in.n == 0 || s->last != 'P')
		return HF_E_ENCRYPTED_DATA;
	buf_cut(out, out->n - 1);
	return HF_OK;
}

static size_t padded_bound(const struct crypt *c, size_t in, bool last)
{
	return in + (c->verb == VERB_ENCRYPT && last ? 1 : 0);
}

static enum hf_err sum_update(struct crypt *c, struct slice in, struct buf *out)
{
	struct state *s = c->state;

	(void)out;
	s->bytes += in.n;
	return HF_OK;
}

static enum hf_err sum_finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct state *s = c->state;
	uint8_t made[5] = { 's', 'i', 'g', ':', 0 };

	if (c->verb == VERB_DIGEST)
		made[0] = 'd', made[2] = 'g';
	made[4] = (uint8_t)(s->bytes + in.n);
	if (c->verb != VERB_VERIFY) {
		buf_raw(out, SLICE_OF(made));
		return HF_OK;
	}
	if (sig.n != sizeof(made))
		return HF_E_SIGNATURE_LEN;
	return memcmp(sig.p, made, sizeof(made)) == 0 ? HF_OK : HF_E_SIGNATURE;
}

static size_t sum_bound(const struct crypt *c, size_t in, bool last)
{
	(void)c;
	(void)in;
	return last ? 5 : 0;
}

static const struct family cipher = { .name = "cipher", .begin = begin, .update = cipher_update,
	.finish = cipher_finish, .bound = cipher_bound, .end = end };
static const struct family padded = { .name = "padded", .begin = begin, .update = padded_update,
	.finish = padded_finish, .bound = padded_bound, .end = end };
static const struct family sum = { .name = "sum", .begin = begin, .update = sum_update,
	.finish = sum_finish, .bound = sum_bound, .end = end };
static const struct family once = { .name = "once", .begin = begin, .finish = sum_finish,
	.bound = sum_bound, .end = end };
static const struct family idle = { .name = "idle" };

#define ED (CKF_ENCRYPT | CKF_DECRYPT)
#define SV (CKF_SIGN | CKF_VERIFY)
static const struct mech mechs[] = {
	{ STUB_CIPHER, "CIPHER", ED, CKK_AES, CKK_NONE, 16, 32, PARAM_NONE, NULL, MECH_APPROVED,
		&cipher },
	{ STUB_PADDED, "PADDED", ED, CKK_AES, CKK_NONE, 16, 32, PARAM_NONE, NULL,
		MECH_APPROVED | MECH_NO_MULTI, &padded },
	{ STUB_SIGN, "SIGN", SV, CKK_ANY_SECRET, CKK_NONE, 0, 0, PARAM_NONE, NULL, MECH_APPROVED,
		&sum },
	{ STUB_ONCE, "ONCE", SV, CKK_GENERIC_SECRET, CKK_AES, 0, 0, PARAM_NONE, NULL,
		MECH_APPROVED, &once },
	{ STUB_DIGEST, "DIGEST", CKF_DIGEST, CKK_NONE, CKK_NONE, 0, 0, PARAM_NONE, NULL,
		MECH_APPROVED, &sum },
	{ STUB_LEGACY, "LEGACY", SV, CKK_AES, CKK_NONE, 0, 0, PARAM_NONE, NULL, MECH_LEGACY,
		&sum },
	{ STUB_IDLE, "IDLE", SV, CKK_AES, CKK_NONE, 0, 0, PARAM_NONE, NULL, 0, &idle },
};

const struct mech *mech_at(size_t i)
{
	return i < sizeof(mechs) / sizeof(mechs[0]) ? &mechs[i] : NULL;
}

const struct mech *mech_find(uint32_t ckm)
{
	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++)
		if (mechs[i].type == ckm)
			return &mechs[i];
	return NULL;
}

/* --- the engine ------------------------------------------------------------------------- */

void engine_call(struct engine *e)
{
	arena_reset(&e->arena);
	e->c.head.request++;
	e->c.head.flags = 0;
}

void engine_open(struct engine *e)
{
	memset(e, 0, sizeof(*e));
	memset(&stub_store, 0, sizeof(stub_store));
	stub_states = 0;
	e->hsm.cfg.max_objects = 1000;
	snprintf(e->part.serial, sizeof(e->part.serial), "0123456789abcdef");
	if (pthread_rwlock_init(&e->part.lock, NULL) != 0 ||
	    objects_new(&e->part.objects) != HF_OK ||
	    secret_dup(SLICE_STR("partition key"), &e->part.key) != HF_OK)
		abort();
	policies_init(&e->part.policies, false);
	e->session.by_id.key = 7;
	e->session.app = &e->app;
	e->session.part = &e->part;
	e->session.login = &e->login;
	e->session.rw = true;
	e->c = (struct calls_ctx){ .hsm = &e->hsm, .app = &e->app, .session = &e->session,
		.part = &e->part, .role = ROLE_USER, .arena = &e->arena, .head.request = 1 };
}

void engine_close(struct engine *e)
{
	ops_drop(&e->session);
	objects_free(e->part.objects);
	secret_done(&e->part.key);
	arena_done(&e->arena);
	pthread_rwlock_destroy(&e->part.lock);
	for (size_t i = 0; i < RECORDS; i++) {
		records[i].version = 0;
		secret_done(&records[i].plain);
	}
}

struct object *engine_add(struct engine *e, struct attr_list t)
{
	struct birth_info b = { .how = BIRTH_CREATE, .cko = ATTRS_AS_GIVEN, .ckk = ATTRS_AS_GIVEN,
		.role = e->c.role };
	struct attrs a = { 0 };
	struct object *o = NULL;

	engine_call(e);
	if (attrs_birth(&b, t, &a) != HF_OK || object_add(&e->c, &a, &o) != HF_OK)
		abort();
	object_unref(o);
	return o;
}

void generation_soon(struct hsm *h)
{
	(void)h;
}
