#include "usage.h"

#include <string.h>

#include "clock.h"
#include "object.h"
#include "object_table.h"
#include "pkcs11_numbers.h"
#include "utf8.h"

struct usages {
	struct rwlock lock;
	struct map by_handle;
};

/* The order is part of the record's format. */
static const struct {
	uint32_t ckf;
	const char *name;
} kinds[USAGE_KINDS] = {
	{ CKF_ENCRYPT, "encrypt" }, { CKF_DECRYPT, "decrypt" }, { CKF_DIGEST, "digest" },
	{ CKF_SIGN, "sign" }, { CKF_SIGN_RECOVER, "sign-recover" }, { CKF_VERIFY, "verify" },
	{ CKF_VERIFY_RECOVER, "verify-recover" }, { CKF_WRAP, "wrap" }, { CKF_UNWRAP, "unwrap" },
	{ CKF_DERIVE, "derive" }, { CKF_ENCAPSULATE, "encapsulate" }, { CKF_DECAPSULATE, "decapsulate" },
};

const char *usage_kind_name(unsigned kind)
{
	return kind < USAGE_KINDS ? kinds[kind].name : "?";
}

static struct usage *of_node(struct map_node *n)
{
	return container_of(n, struct usage, by_handle);
}

void usage_unref(struct usage *u)
{
	if (u != NULL && atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) == 1)
		hf_free(u);
}

static void usage_ref(struct usage *u)
{
	atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
}

enum hf_err usages_new(struct usages **ret)
{
	struct usages *t = hf_alloc(1, sizeof(*t));

	if (t == NULL)
		return HF_E_MEMORY;
	rwlock_init(&t->lock);
	*ret = t;
	return HF_OK;
}

static void drop(struct map_node *n)
{
	usage_unref(of_node(n));
}

void usages_clear(struct usages *t)
{
	rwlock_write(&t->lock);
	map_free(&t->by_handle, drop);
	rwlock_unlock(&t->lock);
}

void usages_free(struct usages *t)
{
	if (t == NULL)
		return;
	usages_clear(t);
	rwlock_done(&t->lock);
	hf_free(t);
}

struct usage *usage_of(struct usages *t, uint64_t handle)
{
	struct map_node *n;
	struct usage *u = NULL;

	rwlock_read(&t->lock);
	n = map_get(&t->by_handle, handle);
	if (n != NULL) {
		u = of_node(n);
		usage_ref(u);
	}
	rwlock_unlock(&t->lock);
	return u;
}

/* add puts u, made with one reference, into the table, or takes the one that is there. */
static enum hf_err add(struct usages *t, uint64_t handle, struct usage **u)
{
	struct map_node *n;
	enum hf_err e = HF_OK;

	rwlock_write(&t->lock);
	n = map_get(&t->by_handle, handle);
	if (n != NULL) {
		usage_unref(*u);
		*u = of_node(n);
	} else {
		e = map_put(&t->by_handle, handle, &(*u)->by_handle);
	}
	if (e == HF_OK)
		usage_ref(*u);
	rwlock_unlock(&t->lock);
	if (e != HF_OK)
		usage_unref(*u);
	return e;
}

static enum hf_err find_or_make(struct usages *t, const struct object *key, struct usage **ret)
{
	struct usage *u = usage_of(t, key->handle);

	if (u == NULL) {
		u = hf_alloc(1, sizeof(*u));
		if (u == NULL)
			return HF_E_MEMORY;
		atomic_init(&u->refs, 1);
		memcpy(u->uid, key->uid, sizeof(u->uid));
		TRY(add(t, key->handle, &u));
	}
	*ret = u;
	return HF_OK;
}

/* --- counting -------------------------------------------------------------------- */

static unsigned kind_of(uint32_t ckf)
{
	unsigned i = 0;

	while (i < USAGE_KINDS && kinds[i].ckf != ckf)
		i++;
	return i;
}

const char *usage_name(uint32_t ckf)
{
	return usage_kind_name(kind_of(ckf));
}

static void take_label(struct usages *t, struct usage *u, const struct object *key)
{
	rwlock_write(&t->lock);
	label_text(attrs_get(&key->attrs, CKA_LABEL), u->label, sizeof(u->label));
	rwlock_unlock(&t->lock);
}

void usage_label(struct usages *t, const struct usage *u, char out[65])
{
	rwlock_read(&t->lock);
	memcpy(out, u->label, sizeof(u->label));
	rwlock_unlock(&t->lock);
}

/* Each snapshot of a key looks its counters up once. */
enum hf_err usage_note(struct calls_ctx *c, struct object *key, uint32_t ckf)
{
	struct usage *u = atomic_load_explicit(&key->usage, memory_order_acquire), *was = NULL;
	unsigned kind = kind_of(ckf);

	if (kind == USAGE_KINDS || c->usage.u != NULL || !key->token || c->part == NULL ||
	    c->part->usages == NULL)
		return HF_OK;
	if (u == NULL) {
		TRY(find_or_make(c->part->usages, key, &u));
		take_label(c->part->usages, u, key);
		if (!atomic_compare_exchange_strong(&key->usage, &was, u)) {
			usage_unref(u);
			u = was;
		}
	}
	usage_ref(u);
	c->usage.u = u;
	c->usage.kind = kind;
	return HF_OK;
}

void usage_count(struct calls_ctx *c, enum hf_err e)
{
	struct usage *u = c->usage.u;

	if (u == NULL)
		return;
	atomic_fetch_add_explicit(e == HF_OK ? &u->uses[c->usage.kind] : &u->failures, 1,
		memory_order_relaxed);
	atomic_store_explicit(&u->last_us, clock_coarse_us(), memory_order_relaxed);
}

bool usage_first(struct usage *u, unsigned kind)
{
	return (atomic_fetch_or(&u->seen, 1u << kind) & 1u << kind) == 0;
}

void usage_gone(struct usages *t, uint64_t handle)
{
	struct usage *u = t != NULL ? usage_of(t, handle) : NULL;

	if (u != NULL)
		atomic_store(&u->gone, true);
	usage_unref(u);
}

/* --- records: format u8 | uses u64 each | failures u64 | last u64 -------------------- */

static bool dec(struct slice plain, struct usage *u)
{
	struct rd r = rd_of(plain);
	uint8_t format;
	uint64_t n;

	if (!rd_u8(&r, &format) || format != USAGE_FORMAT)
		return false;
	for (unsigned i = 0; i < USAGE_KINDS; i++) {
		if (!rd_u64(&r, &n))
			return false;
		atomic_init(&u->uses[i], n);
		u->told[i] = n;
		u->kept += n;
	}
	if (!rd_u64(&r, &n))
		return false;
	atomic_init(&u->failures, n);
	u->kept += n;
	if (!rd_u64(&r, &n))
		return false;
	atomic_init(&u->last_us, n);
	return rd_done(&r);
}

enum hf_err usage_load(struct usages *t, const char *name, uint64_t version, struct slice plain)
{
	struct usage *u = hf_alloc(1, sizeof(*u));
	const char *hex = strrchr(name, '/');
	size_t n = 0;

	if (u == NULL)
		return HF_E_MEMORY;
	atomic_init(&u->refs, 1);
	u->version = version;
	if (hex == NULL || !hex_decode(hex + 1, u->uid, UID_LEN, &n) || n != UID_LEN || !dec(plain, u)) {
		hf_free(u);
		return HF_E_DAMAGED;
	}
	TRY(add(t, object_handle(u->uid), &u));
	usage_unref(u);
	return HF_OK;
}

enum hf_err usages_all(struct usages *t, struct arena *a, struct usage ***ret, size_t *ret_n)
{
	struct usage **v;
	size_t n = 0;

	rwlock_read(&t->lock);
	v = arena_alloc(a, t->by_handle.n + 1, sizeof(struct usage *));
	for (struct map_node *m = map_next(&t->by_handle, NULL); v != NULL && m != NULL;
	     m = map_next(&t->by_handle, m)) {
		v[n] = of_node(m);
		usage_ref(v[n++]);
	}
	rwlock_unlock(&t->lock);
	*ret = v;
	*ret_n = n;
	return v != NULL ? HF_OK : HF_E_MEMORY;
}

void usages_drop(struct usages *t, struct usage *u)
{
	rwlock_write(&t->lock);
	if (map_get(&t->by_handle, u->by_handle.key) == &u->by_handle) {
		(void)map_del(&t->by_handle, u->by_handle.key);
		usage_unref(u);
	}
	rwlock_unlock(&t->lock);
}
