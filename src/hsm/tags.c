#include "tags.h"

#include <string.h>

#include "crypto.h"
#include "lock.h"
#include "module.h"
#include "object_table.h"

#define CHAINS (RECORD_TAGS + 1u)
#define BY_HANDLE RECORD_TAGS
#define ROOM_FIRST 64u
#define ROOM_MAX (UINT32_MAX / 4)

struct tag_entry {
	uint64_t handle, version;
	uint32_t tag[RECORD_TAGS];
	uint32_t next[CHAINS]; /* of its chain: where, and 1; 0: none */
	bool dead, bare;       /* bare: the record has no tags */
};

/* A record that changes leaves its entry dead; the next rebuilding drops it. */
struct tags {
	struct mutex lock;
	struct tag_entry *v;
	uint32_t *head[CHAINS];
	size_t n, room, live, bare; /* room: a power of two, and the heads of each chain */
	bool doubt;
};

/* --- making ------------------------------------------------------------------------ */

enum hf_err tags_key(struct slice partition_key, struct secret *ret)
{
	return crypto_derive(partition_key, "holdfast tags", SLICE_NONE, ret);
}

/* 0 is kept for records that have no such value. */
enum hf_err tag_of(struct slice key, unsigned which, struct slice value, uint32_t *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(value.n + 1);
	uint8_t mac[CRYPTO_HASH];

	*ret = 0;
	if (value.n == 0)
		return HF_OK;
	buf_u8(&b, (uint8_t)which);
	buf_raw(&b, value);
	TRY(buf_err(&b));
	TRY(crypto_hmac(key, buf_slice(&b), mac));
	*ret = get_u32(mac) | 1;
	return HF_OK;
}

/* --- the table --------------------------------------------------------------------- */

enum hf_err tags_new(struct tags **ret)
{
	struct tags *t = hf_alloc(1, sizeof(*t));

	if (t == NULL)
		return HF_E_MEMORY;
	mutex_init(&t->lock);
	*ret = t;
	return HF_OK;
}

static void drop(struct tags *t)
{
	hf_free(t->v);
	for (unsigned c = 0; c < CHAINS; c++)
		hf_free(t->head[c]);
	t->v = NULL;
	memset(t->head, 0, sizeof(t->head));
	t->n = t->room = t->live = t->bare = 0;
}

void tags_free(struct tags *t)
{
	if (t == NULL)
		return;
	drop(t);
	mutex_done(&t->lock);
	hf_free(t);
}

void tags_clear(struct tags *t)
{
	if (t == NULL)
		return;
	MUTEX_HOLD(&t->lock);
	drop(t);
	t->doubt = false;
}

void tags_doubt(struct tags *t)
{
	if (t == NULL)
		return;
	MUTEX_HOLD(&t->lock);
	t->doubt = true;
}

/* head_of: the last bit of a tag is always set. */
static uint32_t *head_of(const struct tags *t, unsigned chain, uint64_t key)
{
	return &t->head[chain][(chain == BY_HANDLE ? key : key >> 1) & (t->room - 1)];
}

static void link_in(struct tags *t, struct tag_entry *e, unsigned chain, uint64_t key)
{
	uint32_t *head = head_of(t, chain, key);

	e->next[chain] = *head;
	*head = (uint32_t)(e - t->v) + 1;
}

static void append(struct tags *t, const struct tag_entry *e)
{
	struct tag_entry *to = &t->v[t->n++];

	*to = *e;
	link_in(t, to, BY_HANDLE, to->handle);
	for (unsigned c = 0; c < RECORD_TAGS; c++)
		if (to->tag[c] != 0)
			link_in(t, to, c, to->tag[c]);
	t->live++;
	t->bare += to->bare;
}

/* rebuild makes room for twice what lives. */
static enum hf_err rebuild(struct tags *t)
{
	struct tags to = { .room = ROOM_FIRST };
	bool ok;

	while (to.room < 2 * t->live && to.room < ROOM_MAX)
		to.room *= 2;
	to.v = to.room >= ROOM_MAX ? NULL : hf_alloc(to.room, sizeof(*to.v));
	ok = to.v != NULL;
	for (unsigned c = 0; c < CHAINS && ok; c++) {
		to.head[c] = hf_alloc(to.room, sizeof(uint32_t));
		ok = to.head[c] != NULL;
	}
	if (!ok) {
		drop(&to);
		return HF_E_MEMORY;
	}
	for (size_t i = 0; i < t->n; i++)
		if (!t->v[i].dead)
			append(&to, &t->v[i]);
	drop(t);
	t->v = to.v;
	memcpy(t->head, to.head, sizeof(t->head));
	t->n = to.n;
	t->room = to.room;
	t->live = to.live;
	t->bare = to.bare;
	return HF_OK;
}

static struct tag_entry *entry_of(const struct tags *t, uint64_t handle)
{
	uint32_t at = t->room == 0 ? 0 : *head_of(t, BY_HANDLE, handle);

	for (; at != 0; at = t->v[at - 1].next[BY_HANDLE])
		if (t->v[at - 1].handle == handle && !t->v[at - 1].dead)
			return &t->v[at - 1];
	return NULL;
}

static void kill(struct tags *t, struct tag_entry *e)
{
	e->dead = true;
	t->live--;
	t->bare -= e->bare;
}

static bool is_same(const struct tag_entry *a, const struct tag_entry *b)
{
	for (unsigned c = 0; c < RECORD_TAGS; c++)
		if (a->tag[c] != b->tag[c])
			return false;
	return a->bare == b->bare;
}

static void put(struct tags *t, const struct tag_entry *e)
{
	struct tag_entry *there = entry_of(t, e->handle);

	if (there != NULL && (there->version > e->version || is_same(there, e))) {
		there->version = there->version > e->version ? there->version : e->version;
		return;
	}
	if (there != NULL)
		kill(t, there);
	if (t->n == t->room && rebuild(t) != HF_OK)
		t->doubt = true;
	else
		append(t, e);
}

/* handle_in a record's name, which ends in the unique id; 0: it is none. */
static uint64_t handle_in(const char *name)
{
	const char *hex = strrchr(name, '/');
	uint8_t uid[UID_LEN];
	size_t n;

	return hex != NULL && hex_decode(hex + 1, uid, UID_LEN, &n) && n == UID_LEN ? object_handle(uid) : 0;
}

void tags_put(struct tags *t, const char *name, uint64_t version, const struct record_tags *v)
{
	struct tag_entry e = { .handle = handle_in(name), .version = version, .bare = !v->are };

	if (t == NULL || e.handle == 0)
		return;
	memcpy(e.tag, v->v, sizeof(e.tag));
	MUTEX_HOLD(&t->lock);
	put(t, &e);
}

void tags_gone(struct tags *t, const char *name)
{
	struct tag_entry *e;

	if (t == NULL)
		return;
	MUTEX_HOLD(&t->lock);
	e = entry_of(t, handle_in(name));
	if (e != NULL)
		kill(t, e);
}

bool tags_lack(struct tags *t)
{
	MUTEX_HOLD(&t->lock);
	return t->bare > 0;
}

void tags_settle(struct tags *t)
{
	MUTEX_HOLD(&t->lock);

	for (size_t i = 0; i < t->n; i++)
		t->v[i].bare = false;
	t->bare = 0;
}

/* --- finding ----------------------------------------------------------------------- */

static enum hf_err add_all(const struct tags *t, unsigned which, uint32_t tag, uint64_t ret[TAGS_FOUND],
	size_t *n)
{
	uint32_t at = t->room == 0 ? 0 : *head_of(t, which, tag);

	for (; at != 0; at = t->v[at - 1].next[which]) {
		const struct tag_entry *e = &t->v[at - 1];

		if (e->dead || e->tag[which] != tag)
			continue;
		if (*n == TAGS_FOUND)
			return HF_E_LIMIT;
		ret[(*n)++] = e->handle;
	}
	return HF_OK;
}

enum hf_err tags_find(struct tags *t, const struct tag_wanted *w, uint64_t ret[TAGS_FOUND], size_t *ret_n)
{
	MUTEX_HOLD(&t->lock);
	size_t n = 0;

	if (t->doubt || t->bare > 0)
		return HF_E_LIMIT;
	for (size_t i = 0; i < w->n; i++)
		TRY(add_all(t, w->which, w->v[i], ret, &n));
	*ret_n = n;
	return HF_OK;
}
