/* unlock.c: from locked to open, and to the end. */
#include "unlock.h"

#include <string.h>

#include "keeper_ask.h"
#include "log.h"
#include "unlock_file.h"
#include "unlock_wrap.h"

/* Only an empty store is a new HSM: one that lost its root key, or whose anchor
 * remembers more, must not be taken for new. */
static enum hf_err check_empty(struct hsm *h)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct store_scan_res page;
	struct slice anchor;

	TRY(keeper_scan(h->keeper, "", SLICE_NONE, 1, &a, &page));
	TRY(keeper_anchor(h->keeper, &a, &anchor));
	if (page.records.n == 0 && anchor.n == 0)
		return HF_OK;
	log_error("the store has no record %s but is not new (%s): restore it from a backup, or remove "
		"store and anchor to begin anew", ROOT_NAME, anchor.n > 0 ? "its anchor is there" :
		"it has other records");
	return HF_E_DAMAGED;
}

static enum hf_err root_new(struct secret *ret)
{
	CLEANUP(secret_done) struct secret root = { 0 };

	TRY(secret_alloc(&root, CRYPTO_KEY));
	TRY(crypto_random(root.p, root.n));
	*ret = secret_take(&root);
	return HF_OK;
}

/* --- opening ------------------------------------------------------------------------ */

static enum hf_err check_tag(const struct root_record *r, struct slice root)
{
	enum hf_err e = root_record_true(r, root);

	if (e != HF_E_DAMAGED)
		return e;
	log_error("%s", err_text(HF_E_UNLOCK_FORGED));
	return HF_E_UNLOCK_FORGED;
}

/* try_method keeps a record that was renewed for unlock_settle. */
static enum hf_err try_method(struct hsm *h, struct root_record *r, struct unlock_method_record *m,
	struct slice secret, struct secret *ret)
{
	CLEANUP(secret_done) struct secret root = { 0 };
	enum hf_err e;
	bool renewed;

	e = unlock_unwrap(h, m, secret, &root, &renewed);
	if (e != HF_OK && m->by != BY_TPM)
		unlock_note(h, m, m->by == BY_FILE ? "its file does not open it" :
			"what was given did not open it");
	TRY(e);
	if (!renewed)
		TRY(check_tag(r, secret_slice(&root)));
	unlock_note(h, m, "opened the HSM");
	h->root_renewed = renewed;
	*ret = secret_take(&root);
	return HF_OK;
}

static bool is_meant(const struct unlock_with *w, const struct unlock_method_record *m)
{
	return m->by == w->by && (!w->one || m->id == w->id);
}

/* try_all: the first method of this kind that opens; else what the last one said, though that it lacks its
 * PIN says less than what another one said. */
static enum hf_err try_all(struct hsm *h, struct root_record *r, const struct unlock_with *w,
	struct secret *ret)
{
	enum hf_err all = w->one ? HF_E_UNLOCK_METHOD : HF_E_STATE;
	bool first = true;

	for (unsigned i = 0; i < r->n && all != HF_OK; i++) {
		enum hf_err e;

		if (!is_meant(w, &r->v[i]))
			continue;
		e = try_method(h, r, &r->v[i], w->secret, ret);
		if (first || e != HF_E_PIN_LENGTH)
			all = e;
		first = false;
	}
	return all;
}

static void keep_renewed(struct hsm *h, struct root_record **r)
{
	root_record_free(&h->root_next);
	if (h->root_renewed) {
		h->root_next = *r;
		*r = NULL;
	}
}

enum hf_err unlock_settle(struct hsm *h)
{
	enum hf_err e = HF_OK;

	if (h->root_next != NULL)
		e = unlock_put(h, h->root_next);
	root_record_free(&h->root_next);
	return e;
}

static enum hf_err open_new(struct hsm *h, struct secret *ret)
{
	TRY(check_empty(h));
	if (h->unlock.key_fd < 0 && h->unlock.tpm == NULL)
		return HF_OK; /* the first passphrase makes it */
	if (h->unlock.key_fd < 0 && !h->unlock.by_tpm)
		return HF_OK;
	if (h->unlock.key_fd >= 0 && unlock_file_empty(h->unlock.key_fd))
		TRY(unlock_file_write(h->unlock.key_fd));
	if (h->unlock.key_fd < 0)
		log_warn("only this TPM, with the machine as it is now, opens the new HSM: add a "
			"passphrase or custodians beside it ('holdfast unlock-method add')");
	return root_new(ret);
}

/* The file is there to open without anybody; where it does not, something is wrong with
 * it, and waiting would not help. A TPM that refuses leaves the HSM to the other methods. */
static enum hf_err open_alone(struct hsm *h, struct root_record **r, struct secret *ret)
{
	bool file = h->unlock.key_fd >= 0 && root_record_find(*r, BY_FILE) != NULL;
	const struct unlock_with by_tpm = { .by = BY_TPM }, by_file = { .by = BY_FILE };
	enum hf_err e = HF_E_STATE;

	if (root_record_find(*r, BY_TPM) != NULL)
		e = try_all(h, *r, &by_tpm, ret);
	if (e != HF_OK && file) {
		e = try_all(h, *r, &by_file, ret);
		if (e == HF_E_DAMAGED)
			log_error("the unlock key in its file does not open %s: put the right one back",
				ROOT_NAME);
		if (e != HF_OK && (*r)->n == 1)
			return e;
	}
	if (e == HF_E_UNLOCK_FORGED)
		return e;
	if (e == HF_OK)
		keep_renewed(h, r);
	return HF_OK;
}

enum hf_err unlock_at_open(struct hsm *h, struct secret *ret)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;

	TRY(unlock_read(h, &r));
	if (r->version == 0)
		return open_new(h, ret);
	unlock_say(h, r);
	unlock_warn(r);
	if (root_record_find(r, BY_FILE) == NULL && h->unlock.key_fd >= 0 &&
	    !unlock_file_empty(h->unlock.key_fd))
		(void)unlock_file_wipe(h->unlock.key_fd); /* a change was cut short */
	return h->unlock.attended ? HF_OK : open_alone(h, &r, ret);
}

enum hf_err unlock_with(struct hsm *h, const struct unlock_with *w, struct secret *ret)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	enum hf_err e;

	if (w->by == BY_PASSPHRASE && w->secret.n == 0)
		return HF_E_PIN_LENGTH;
	TRY(unlock_read(h, &r));
	if (r->version == 0)
		return w->by == BY_PASSPHRASE ? root_new(ret) : HF_E_STATE;
	e = try_all(h, r, w, ret);
	if (e == HF_OK)
		keep_renewed(h, &r);
	return e == HF_E_DAMAGED && w->by == BY_PASSPHRASE ? HF_E_PIN_INCORRECT : e;
}

/* --- custodians ------------------------------------------------------------------------- */

enum hf_err unlock_quorum_of(struct hsm *h, struct quorum *ret)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	const struct unlock_method_record *m;

	*ret = (struct quorum){ .m = 0 };
	TRY(unlock_read(h, &r));
	m = root_record_find(r, BY_QUORUM);
	return m == NULL || unlock_quorum_dec(m, ret) ? HF_OK : HF_E_DAMAGED;
}

enum hf_err unlock_quorum(struct hsm *h, struct slice secret, struct secret *ret)
{
	const struct unlock_with w = { .by = BY_QUORUM, .secret = secret };

	return unlock_with(h, &w, ret);
}

/* Where custodians are there already, the new ones take their place and the other
 * methods stay; else they are the only way from now on. */
enum hf_err unlock_change_quorum(struct hsm *h, const struct quorum *q, struct slice secret)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	const struct unlock_with w = { .by = BY_QUORUM, .secret = secret, .quorum = q };
	struct unlock_method_record *m;

	TRY(unlock_read(h, &r));
	m = root_record_find(r, BY_QUORUM);
	if (m == NULL)
		return unlock_only(h, &w);
	TRY(unlock_wrap(h, m, &w));
	return unlock_put(h, r);
}

/* --- the end -------------------------------------------------------------------------------- */

/* In the anchor's place, which is overwritten there: a full disk takes it, and who reads it needs no key. */
#define MARK "holdfast: this HSM was zeroized"

static enum hf_err is_marked(struct hsm *h, bool *ret)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct slice anchor;

	TRY(keeper_anchor(h->keeper, &a, &anchor));
	*ret = slice_eq(anchor, SLICE_STR(MARK));
	return HF_OK;
}

static enum hf_err mark(struct hsm *h)
{
	bool there;

	TRY(is_marked(h, &there));
	return there ? HF_OK : keeper_commit(h->keeper, (struct change_list){ 0 }, SLICE_STR(MARK));
}

/* Straight to the keeper: it works whether or not the store is open, and nothing
 * will be read after it that a digest could vouch for. */
static enum hf_err tombstone(struct hsm *h, uint64_t version)
{
	CLEANUP(root_record_free) struct root_record *none = NULL;
	CLEANUP(buf_done) struct buf b = BUF_MAX(1024);
	struct change c = { SLICE_STR(ROOT_NAME), version, version + 1, SLICE_NONE };

	TRY(root_record_new(&none));
	root_record_enc(none, &b);
	buf_raw(&b, SLICE_OF(none->tag));
	TRY(buf_err(&b));
	c.value = buf_slice(&b);
	return keeper_commit_last(h->keeper, (struct change_list){ &c, 1 });
}

/* A damaged record is buried, too. */
static enum hf_err bury(struct hsm *h)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	CLEANUP(arena_done) struct arena a = { 0 };
	struct record rec = { 0 };
	bool found;

	TRY(root_record_new(&r));
	TRY(keeper_get(h->keeper, ROOT_NAME, &a, &found, &rec));
	return found && root_record_dec(rec.value, r) && r->n == 0 ? HF_OK : tombstone(h, rec.version);
}

void unlock_purge(struct hsm *h)
{
	enum hf_err e = keeper_purge(h->keeper);

	if (e != HF_OK)
		log_warn("an older record of the root key may still be in the store's files: %s",
			err_text(e));
}

/* The mark first: from then on a start finishes what is missing. Without mark or tombstone the file stays,
 * for an HSM that has lost nothing but its file would neither start nor be zeroized. */
enum hf_err unlock_destroy(struct hsm *h)
{
	enum hf_err marked = mark(h), buried;
	bool wiped = marked == HF_OK && unlock_file_wipe(h->unlock.key_fd);

	buried = bury(h);
	if (buried == HF_OK && !wiped)
		wiped = unlock_file_wipe(h->unlock.key_fd);
	TRY(marked);
	TRY(buried);
	TRY(keeper_purge(h->keeper));
	return wiped ? HF_OK : HF_E_STORE;
}

enum hf_err unlock_destroyed(struct hsm *h, bool *ret)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;

	TRY(is_marked(h, ret));
	if (*ret)
		return HF_OK;
	TRY(unlock_read(h, &r));
	*ret = r->version != 0 && r->n == 0;
	return HF_OK;
}
