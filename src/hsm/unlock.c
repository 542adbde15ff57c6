/* unlock.c: the record "hsm/root", in the clear but for what it wraps:
 *
 *   format u8 | method u8 | salt 16 | Argon2id KiB u32 | passes u32 | sealed root key
 *
 * and for custodians what quorum_enc writes.
 */
#include "unlock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper_ask.h"
#include "log.h"
#include "records.h"

#define FORMAT 1
#define ROOT_NAME "hsm/root"
#define SALT_LEN 16
#define WRAPPED_LEN (CRYPTO_KEY + CRYPTO_SEAL_EXTRA)

enum method { METHOD_FILE = 1, METHOD_PASSPHRASE = 2, METHOD_QUORUM = 3, METHOD_NONE = 4 };

struct root_record {
	uint8_t method;
	uint8_t salt[SALT_LEN];
	uint32_t kib, passes;
	uint8_t wrapped[WRAPPED_LEN];
	struct quorum quorum; /* m 0: none */
};

static void root_enc(const struct root_record *r, struct buf *b)
{
	buf_u8(b, FORMAT);
	buf_u8(b, r->method);
	buf_raw(b, SLICE_OF(r->salt));
	buf_u32(b, r->kib);
	buf_u32(b, r->passes);
	buf_raw(b, SLICE_OF(r->wrapped));
	if (r->method == METHOD_QUORUM)
		quorum_enc(&r->quorum, b);
}

static bool root_dec(struct slice in, struct root_record *ret)
{
	const uint8_t *salt, *wrapped;
	struct rd r = rd_of(in);
	uint8_t format;

	if (!rd_u8(&r, &format) || format != FORMAT || !rd_u8(&r, &ret->method) ||
	    !rd_take(&r, SALT_LEN, &salt) || !rd_u32(&r, &ret->kib) || !rd_u32(&r, &ret->passes) ||
	    !rd_take(&r, WRAPPED_LEN, &wrapped))
		return false;
	ret->quorum = (struct quorum){ .m = 0 };
	if (ret->method == METHOD_QUORUM && !quorum_dec(&r, &ret->quorum))
		return false;
	memcpy(ret->salt, salt, SALT_LEN);
	memcpy(ret->wrapped, wrapped, WRAPPED_LEN);
	return rd_done(&r) && ret->method >= METHOD_FILE && ret->method <= METHOD_NONE;
}

/* --- the file --------------------------------------------------------------------- */

static enum hf_err file_size(int fd, off_t *ret)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		log_error("the file of the unlock key cannot be used: %m");
		return HF_E_STORE;
	}
	*ret = st.st_size;
	return HF_OK;
}

static enum hf_err file_read(int fd, struct secret *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	off_t size;

	TRY(file_size(fd, &size));
	if (size != CRYPTO_KEY) {
		log_error("the file of the unlock key has %lld bytes instead of %d; put the right one back",
			(long long)size, CRYPTO_KEY);
		return HF_E_DAMAGED;
	}
	TRY(secret_alloc(&key, CRYPTO_KEY));
	if (pread(fd, key.p, key.n, 0) != CRYPTO_KEY)
		return HF_E_STORE;
	*ret = secret_take(&key);
	return HF_OK;
}

static bool file_is_empty(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 0;
}

static enum hf_err file_write(int fd)
{
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(secret_alloc(&key, CRYPTO_KEY));
	TRY(crypto_random(key.p, key.n));
	if (ftruncate(fd, 0) != 0 || pwrite(fd, key.p, key.n, 0) != CRYPTO_KEY || fsync(fd) != 0) {
		log_error("the unlock key could not be written: %m");
		return HF_E_STORE;
	}
	return HF_OK;
}

/* A file that was unlock key once must not open an old copy of the store. */
static void file_wipe(int fd)
{
	static const uint8_t zero[CRYPTO_KEY];

	if (fd < 0)
		return;
	if (pwrite(fd, zero, sizeof(zero), 0) != CRYPTO_KEY || fsync(fd) != 0 || ftruncate(fd, 0) != 0 ||
	    fsync(fd) != 0)
		log_warn("the old unlock key could not be wiped from its file: %m");
}

static void say_method(struct hsm *h, const struct root_record *r)
{
	char text[64] = "by passphrase";

	if (r->method == METHOD_QUORUM)
		(void)snprintf(text, sizeof(text), "by %u of %u custodians", r->quorum.m, r->quorum.n);
	hsm_fact(h, "unlock", text);
}

static void say_file(struct hsm *h)
{
	hsm_fact(h, "unlock", "by a file beside the data (for development)");
	log_warn("the unlock key lies in a file beside the data: whoever copies both has every key; "
		"for production set a passphrase ('holdfast passphrase')");
}

/* --- wrapping ------------------------------------------------------------------------ */

static enum hf_err key_from_file(int fd, struct secret *ret)
{
	CLEANUP(secret_done) struct secret file = { 0 };

	TRY(file_read(fd, &file));
	return crypto_derive(secret_slice(&file), "holdfast unlock file", SLICE_NONE, ret);
}

static enum hf_err key_for(struct hsm *h, const struct root_record *r, struct slice passphrase,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret stretched = { 0 };

	if (r->method == METHOD_FILE)
		return key_from_file(h->unlock.key_fd, ret);
	if (r->method == METHOD_QUORUM) /* passphrase is the secret that the shares gave */
		return crypto_derive(passphrase, "holdfast unlock quorum", SLICE_OF(r->salt), ret);
	TRY(crypto_argon2id(passphrase, SLICE_OF(r->salt), r->kib, r->passes, &stretched));
	return crypto_derive(secret_slice(&stretched), "holdfast unlock passphrase", SLICE_NONE, ret);
}

/* quorum: passphrase is the secret of these custodians, or NULL. */
static enum hf_err wrap(struct hsm *h, struct slice passphrase, const struct quorum *quorum,
	struct slice root, struct root_record *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(WRAPPED_LEN);
	struct root_record r = {
		.method = quorum != NULL ? METHOD_QUORUM : passphrase.n > 0 ? METHOD_PASSPHRASE :
			METHOD_FILE,
		.kib = h->cfg.argon2_kib,
		.passes = h->cfg.argon2_passes,
	};

	if (quorum != NULL)
		r.quorum = *quorum;
	TRY(crypto_random(r.salt, sizeof(r.salt)));
	TRY(key_for(h, &r, passphrase, &key));
	TRY(crypto_seal(secret_slice(&key), SLICE_STR(ROOT_NAME), root, &b));
	if (b.n != WRAPPED_LEN)
		return HF_E_INTERNAL;
	memcpy(r.wrapped, b.p, b.n);
	*ret = r;
	return HF_OK;
}

static enum hf_err unwrap(struct hsm *h, const struct root_record *r, struct slice passphrase,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(key_for(h, r, passphrase, &key));
	return crypto_open(secret_slice(&key), SLICE_STR(ROOT_NAME), SLICE_OF(r->wrapped), ret);
}

/* --- the record ------------------------------------------------------------------------- */

static enum hf_err root_read(struct hsm *h, bool *ret_found, struct root_record *ret)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct record rec;

	TRY(keeper_get(h->keeper, ROOT_NAME, &a, ret_found, &rec));
	if (!*ret_found)
		return HF_OK;
	h->root_version = rec.version;
	if (root_dec(rec.value, ret))
		return HF_OK;
	log_error("the record %s is damaged: restore it from a backup", ROOT_NAME);
	return HF_E_DAMAGED;
}

static enum hf_err root_put(struct hsm *h, const struct root_record *r)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(2048);
	struct record_change c = {
		.name = ROOT_NAME,
		.expect = h->root_version,
		.version = h->root_version + 1,
		.seal = SEAL_NONE,
	};

	root_enc(r, &b);
	TRY(buf_err(&b));
	c.plain = buf_slice(&b);
	TRY(records_write(h->records, &c, 1));
	h->root_version++;
	return HF_OK;
}

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

/* --- for hsm.c ------------------------------------------------------------------------------ */

enum hf_err unlock_at_open(struct hsm *h, struct secret *ret)
{
	struct root_record r;
	bool found;
	enum hf_err e;

	TRY(root_read(h, &found, &r));
	if (!found) {
		TRY(check_empty(h));
		if (h->unlock.key_fd < 0)
			return HF_OK; /* the first passphrase makes it */
		if (file_is_empty(h->unlock.key_fd))
			TRY(file_write(h->unlock.key_fd));
		say_file(h);
		return root_new(ret);
	}
	if (r.method != METHOD_FILE) {
		say_method(h, &r);
		if (h->unlock.key_fd >= 0 && !file_is_empty(h->unlock.key_fd))
			file_wipe(h->unlock.key_fd); /* a change was cut short */
		return HF_OK;
	}
	say_file(h);
	e = unwrap(h, &r, SLICE_NONE, ret);
	if (e == HF_E_DAMAGED)
		log_error("the unlock key in its file does not open %s: put the right one back", ROOT_NAME);
	return e;
}

enum hf_err unlock_passphrase(struct hsm *h, struct slice passphrase, struct secret *ret)
{
	struct root_record r;
	enum hf_err e;
	bool found;

	if (passphrase.n == 0)
		return HF_E_PIN_LENGTH;
	TRY(root_read(h, &found, &r));
	if (!found)
		return root_new(ret);
	if (r.method != METHOD_PASSPHRASE)
		return HF_E_STATE;
	e = unwrap(h, &r, passphrase, ret);
	return e == HF_E_DAMAGED ? HF_E_PIN_INCORRECT : e;
}

enum hf_err root_write(struct hsm *h, struct slice passphrase)
{
	struct root_record r;

	TRY(wrap(h, passphrase, NULL, secret_slice(&h->root), &r));
	return root_put(h, &r);
}

enum hf_err unlock_change(struct hsm *h, struct slice passphrase)
{
	bool to_file = passphrase.n == 0;

	if (to_file && h->unlock.key_fd < 0)
		return HF_E_ARGUMENTS;
	if (to_file && file_is_empty(h->unlock.key_fd))
		TRY(file_write(h->unlock.key_fd));
	TRY(root_write(h, passphrase));
	if (to_file) {
		say_file(h);
	} else {
		hsm_fact(h, "unlock", "by passphrase");
		file_wipe(h->unlock.key_fd);
	}
	return HF_OK;
}

/* --- the end -------------------------------------------------------------------------------- */

/* Straight to the keeper: it works whether or not the store is open, and nothing
 * will be read after it that a digest could vouch for. */
static enum hf_err tombstone(struct hsm *h, uint64_t version)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1024);
	const struct root_record none = { .method = METHOD_NONE };
	struct change c = { SLICE_STR(ROOT_NAME), version, version + 1, SLICE_NONE };

	root_enc(&none, &b);
	TRY(buf_err(&b));
	c.value = buf_slice(&b);
	return keeper_commit(h->keeper, (struct change_list){ &c, 1 }, SLICE_NONE);
}

enum hf_err unlock_destroy(struct hsm *h)
{
	struct root_record r;
	bool found;

	TRY(root_read(h, &found, &r));
	file_wipe(h->unlock.key_fd);
	return tombstone(h, found ? h->root_version : 0);
}

enum hf_err unlock_destroyed(struct hsm *h, bool *ret)
{
	struct root_record r;
	bool found;

	TRY(root_read(h, &found, &r));
	*ret = found && r.method == METHOD_NONE;
	return HF_OK;
}

/* --- custodians ------------------------------------------------------------------------- */

enum hf_err unlock_quorum_of(struct hsm *h, struct quorum *ret)
{
	struct root_record r;
	bool found;

	TRY(root_read(h, &found, &r));
	*ret = found ? r.quorum : (struct quorum){ .m = 0 };
	return HF_OK;
}

enum hf_err unlock_quorum(struct hsm *h, struct slice secret, struct secret *ret)
{
	struct root_record r;
	bool found;

	TRY(root_read(h, &found, &r));
	if (!found || r.method != METHOD_QUORUM)
		return HF_E_STATE;
	return unwrap(h, &r, secret, ret);
}

enum hf_err unlock_change_quorum(struct hsm *h, const struct quorum *q, struct slice secret)
{
	struct root_record r;

	TRY(wrap(h, secret, q, secret_slice(&h->root), &r));
	TRY(root_put(h, &r));
	say_method(h, &r);
	file_wipe(h->unlock.key_fd);
	return HF_OK;
}
